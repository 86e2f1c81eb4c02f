#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The CEL conformance suite: ./dev cel-conformance [DIR]. Builds the runner where it is not built yet.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD_DIR:-$here/build/debug}
[ -f "$build/build.ninja" ] || meson setup "$build" "$here" >/dev/null
ninja -C "$build" src/cel/cel_conformance >/dev/null
case $# in
0) set -- "$here/../shared/vectors/cel" ;;
1) [ "$1" != -v ] || set -- -v "$here/../shared/vectors/cel" ;;
esac
for folder; do :; done
[ -d "$folder" ] || { echo "skipped: there is no folder $folder with the conformance suite"; exit 0; }
exec "$build/src/cel/cel_conformance" "$@"
