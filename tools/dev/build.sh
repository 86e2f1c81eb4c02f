# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Part of ./dev: the build folders.

# binary KIND: where the program is.
binary() {
        printf 'build/%s/src/server/countersign' "$1"
}

# build KIND [TARGET…]: configures build/KIND once and builds in it; quiet unless it fails.
build() {
        local kind=$1
        shift
        local options=()
        local compilers=(CC="${CC:-gcc}" CXX="${CXX:-g++}")
        case $kind in
        release) ;;
        test) options=(-Dtest_hooks=true) ;;
        asan) options=(-Dtest_hooks=true -Db_sanitize=address,undefined -Db_lundef=false) ;;
        tsan) options=(-Dtest_hooks=true -Db_sanitize=thread -Db_lundef=false) ;;
        fuzz)
                options=(-Dtest_hooks=true -Dfuzzers=true -Db_sanitize=address,undefined -Db_lundef=false)
                compilers=(CC=clang CXX=clang++)
                ;;
        *) die "there is no build \"$kind\"; ./dev build --help lists them" ;;
        esac
        local folder=build/$kind log=build/$kind.log targets
        mkdir -p build
        if [ ! -e "$folder/build.ninja" ]; then
                rm -rf "$folder"
                env "${compilers[@]}" meson setup "$folder" "${options[@]}" >"$log" 2>&1 || {
                        tail -n 30 "$log" >&2
                        die "meson could not configure $folder"
                }
        fi
        # Only the targets themselves, and the generated headers for clang-tidy: the rest is what others build.
        if [ "$kind" = fuzz ] && [ $# = 0 ]; then
                mapfile -t targets < <(ninja -C "$folder" -t targets all | sed -nE 's/^((.*\/)?(fuzz_[^/:]*|[^/:]*_fuzz)): .*/\1/p; s/^(.*\.h): CUSTOM_COMMAND.*/\1/p')
                set -- "${targets[@]}"
        fi
        printf './dev: building %s\n' "$folder" >&2
        ninja -C "$folder" "$@" >"$log" 2>&1 || {
                # From the first failure on, without the steps that went well.
                sed -n '/ERROR:/p; /^FAILED:/,$p' "$log" | grep -vE '^\[[0-9]+/[0-9]+\]' | head -n 60 >&2
                die "the build of $folder failed; all of it is in $log"
        }
}

# sources: our C and C++ files, NUL-separated.
sources() {
        git ls-files -z -- '*.c' '*.h' '*.cc'
}
