#!/bin/sh
# Holds the layout of C (and of the few files of C++): `tools/format.sh` checks, `tools/format.sh --write` applies it. Generated files are skipped.
set -u
cd "${LEAT_ROOT:-$(dirname "$0")/..}"
formatter=${CLANG_FORMAT:-clang-format-14}
command -v "$formatter" >/dev/null 2>&1 || {
    echo "format: $formatter is missing: run tools/deps.sh test" >&2
    exit 1
}
mode="--dry-run -Werror --ferror-limit=1"
[ "${1:-}" = --write ] && mode=-i
files=$(for folder in src test include lib examples bench; do
    [ -d "$folder" ] && find "$folder" -name node_modules -prune -o \( -name '*.c' -o -name '*.h' -o -name '*.cpp' \) -print
done | grep -v '/gen/' | sort)
[ -n "$files" ] || exit 0
# shellcheck disable=SC2086
echo "$files" | xargs -P "$(nproc)" -n 8 "$formatter" --style=file $mode
