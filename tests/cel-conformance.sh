#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The CEL conformance suite: ./dev cel-conformance [DIR]. Builds the runner where it is not built yet.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD_DIR:-$here/build/debug}
[ -f "$build/build.ninja" ] || meson setup "$build" "$here" >/dev/null
ninja -C "$build" src/cel/cel_conformance >/dev/null
[ $# -gt 0 ] || set -- "$here/../shared/vectors/cel"
exec "$build/src/cel/cel_conformance" "$@"
