# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Part of ./dev: the Debian packages of tools/packages.txt.

die() {
        printf './dev: %s\n' "$*" >&2
        exit 1
}

# packages_list PURPOSE…: the packages under those headings of tools/packages.txt.
# A heading is a line "# build", "# libraries", "# tests and checks": its first word counts.
packages_list() {
        local wanted=" $* " purpose='' line
        while IFS= read -r line; do
                case $line in
                '# SPDX'* | '') ;;
                '# '*)
                        line=${line#\# }
                        purpose=${line%%[ ,:]*}
                        ;;
                *)
                        line=${line%%#*}
                        line=${line%% *}
                        # NAME?command=COMMAND: not needed where the command is, from wherever it came.
                        if [[ $line == *'?command='* ]]; then
                                command -v "${line#*'?command='}" >/dev/null && continue
                                line=${line%%'?'*}
                        fi
                        [[ $wanted == *" $purpose "* ]] && printf '%s\n' "${line%% *}"
                        ;;
                esac
        done <tools/packages.txt
        return 0
}

# packages_missing NAME…: those that are not installed.
packages_missing() {
        local installed
        # dpkg-query fails when it does not know one of the names; that is just what is asked here.
        installed=$'\n'$({ dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true; } | sed -n 's/^installed //p')$'\n'
        local name
        for name in "$@"; do
                [[ $installed == *$'\n'"$name"$'\n'* ]] || printf '%s\n' "$name"
        done
}

# packages_need PURPOSE…: installs what is missing and says what; silent when nothing is.
packages_need() {
        command -v dpkg-query >/dev/null || {
                printf './dev: this is no Debian; the packages of tools/packages.txt are expected to be there\n' >&2
                return 0
        }
        local wanted missing
        mapfile -t wanted < <(packages_list "$@")
        [ ${#wanted[@]} -gt 0 ] || return 0
        mapfile -t missing < <(packages_missing "${wanted[@]}")
        [ ${#missing[@]} -gt 0 ] || return 0
        local as_root=()
        if [ "$(id -u)" != 0 ]; then
                command -v sudo >/dev/null || die "missing packages; as root: apt-get install ${missing[*]}"
                as_root=(sudo)
        fi
        [ -z "${COUNTERSIGN_NO_INSTALL:-}" ] || die "missing packages: ${missing[*]}"
        printf './dev: installing from Debian: %s\n' "${missing[*]}"
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null
}
