#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ./dev bench cel: our engine and @bufbuild/cel on the same cases in the same run; medians and ratios.
#   BUILD_DIR    the release build (default build/release)
#   RESULTS_DIR  where the table and the raw lines go (default build/bench)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD_DIR:-$root/build/release}
results=${RESULTS_DIR:-$root/build/bench}
peer=$root/build/cel-peer
bench=${CEL_BENCH:-$build/tests/bench/cel/cel_bench}
mkdir -p "$results" "$peer"
if [ -z "${CEL_BENCH:-}" ]; then
        [ -f "$build/build.ninja" ] || meson setup -Dbuildtype=release "$build" "$root" >/dev/null
        ninja -C "$build" tests/bench/cel/cel_bench >/dev/null
fi
"$bench" "$here/cases.json" >"$results/cel-ours.jsonl"
: >"$results/cel-peer.jsonl"
if command -v npm >/dev/null; then
        [ -d "$peer/node_modules/@bufbuild/cel" ] ||
                (cd "$peer" && npm init -y >/dev/null 2>&1 && npm install --silent @bufbuild/cel@0.6.1 >/dev/null 2>&1) ||
                echo "@bufbuild/cel cannot be installed: no ratios" >&2
        [ ! -d "$peer/node_modules/@bufbuild/cel" ] ||
                (cd "$peer" && node "$here/peer.mjs" "$here/cases.json") >"$results/cel-peer.jsonl"
fi
python3 "$here/table.py" "$here/cases.json" "$results/cel-ours.jsonl" "$results/cel-peer.jsonl" | tee "$results/cel.txt"
