#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The CEL conformance suite: ./dev cel-conformance [DIR]. Builds the runner where it is not built yet.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD_DIR:-$here/build/debug}
[ -f "$build/build.ninja" ] || meson setup "$build" "$here" >/dev/null
ninja -C "$build" src/cel/cel_conformance >/dev/null
default=${COUNTERSIGN_VECTORS:-$here/../shared/vectors}/cel
case $# in
0) set -- "$default" ;;
1) [ "$1" != -v ] || set -- -v "$default" ;;
esac
for folder; do :; done
[ -d "$folder" ] || { echo "skipped: there is no folder $folder with the conformance suite"; exit 0; }
exec "$build/src/cel/cel_conformance" "$@"
