#!/bin/sh
# clang-tidy (.clang-tidy) over the C files of the product, or those that are named. Needs compile_commands.json
# (`make compdb`). Prints the findings and ends with the count of files.
set -u
cd "$(dirname "$0")/.."
files=${*:-$(find src lib -name '*.c' -not -path '*/gen/*' 2>/dev/null | sort)}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
printf '%s\n' $files | xargs -P "$(nproc)" -n 4 clang-tidy-14 --quiet -p . >"$log" 2>/dev/null
grep -E '(warning|error):' "$log" | sort -u >"$log.found"
failed=$(sed 's/:.*//' "$log.found" | sort -u | wc -l)
total=$(printf '%s\n' $files | wc -l)
cat "$log"
rm -f "$log.found"
echo "$((total - failed)) passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
