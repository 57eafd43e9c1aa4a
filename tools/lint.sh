#!/bin/sh
# Everything that can be checked without running leat. `make lint`, or one check: `make lint CHECK=tidy`.
# Ends with the plain line `N passed, N failed, N skipped`.
set -u
cd "$(dirname "$0")/.."
only=${1:-}
build=${LEAT_BUILD:-build}
. test/part.sh

check() { # check NAME HINT COMMAND...
    name=$1 hint=$2
    shift 2
    [ -z "$only" ] || [ "$only" = "$name" ] || return 0
    if "$@"; then
        pass "$name"
    else
        fail "$name" "$hint"
    fi
}

compile() { # with gcc, as the release; the objects are those that the later parts use
    make -s QUIET=1 -j"${LEAT_JOBS:-2}" V=release BUILD="$build" objects && tools/check_warnings "$build/release"
}
scripts() { # every shell script must at least parse; with shellcheck there is more
    bad=0
    for file in $(git ls-files --cached --others --exclude-standard | grep -v node_modules); do
        [ -f "$file" ] || continue
        case $(head -c 40 "$file" | tr '\0' '?' | head -n 1) in
        '#!/bin/sh'*) sh -n "$file" || bad=1 ;;
        '#!/bin/bash'* | '#!/usr/bin/env bash'*) bash -n "$file" || bad=1 ;;
        '#!/usr/bin/env python3'*)
            python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$file" || bad=1
            continue
            ;;
        *) continue ;;
        esac
        if command -v shellcheck >/dev/null 2>&1; then
            shellcheck -S warning -x "$file" || bad=1
        fi
    done
    return $bad
}

check format "run make format" tools/format.sh
check layers "src/LAYERS says who may include whom" tools/check_layers
check tidy "STYLE.md gives the reasons" tools/tidy
check scripts "a script does not parse" scripts
check generated "run make gen" tools/gen_all.sh --check
check gcc "the compiler warned" compile
check clang "the compiler warned" make -s QUIET=1 -j"${LEAT_JOBS:-2}" BUILD="$build" clang-syntax
check globals "pass it as an argument, or give a reason in tools/globals.allow" \
    tools/check_globals "$build/release"
finish
