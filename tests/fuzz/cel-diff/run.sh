#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Differential test of the CEL engine against @bufbuild/cel; the options are those of diff.mjs.
#   BUILD_DIR  a build folder (default build/test)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD_DIR:-$root/build/test}
peer=$root/build/cel-peer
command -v npm >/dev/null || { echo "skipped: there is no npm to install the peer with"; exit 0; }
[ -f "$build/build.ninja" ] || meson setup "$build" "$root" >/dev/null
ninja -C "$build" tests/fuzz/cel-diff/cel_batch >/dev/null
mkdir -p "$peer"
[ -d "$peer/node_modules/@bufbuild/cel" ] ||
        (cd "$peer" && npm init -y >/dev/null 2>&1 && npm install --silent @bufbuild/cel@0.6.1 >/dev/null)
cd "$peer"
exec node "$here/diff.mjs" "$build/tests/fuzz/cel-diff/cel_batch" "$@"
