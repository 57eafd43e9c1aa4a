#!/bin/sh
# Runs every generator: the executable files tools/gen_* (this one aside). Their results are tracked, so that a
# reader finds them and a build needs no generator.
#   tools/gen_all.sh           make the files again
#   tools/gen_all.sh --check   fail if that would change a file (works on a copy, changes nothing)
set -eu
cd "${LEAT_ROOT:-$(dirname "$0")/..}"
if [ "${1:-}" = --check ]; then
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    # What generators read and write; build folders and clients are not part of it.
    tar -cf - --exclude=node_modules --exclude='*.o' $(ls -d src tools include man docs packaging test/golden test/parts HACKING.md 2>/dev/null) |
        tar -xf - -C "$copy"
    (cd "$copy" && LEAT_ROOT="$copy" sh tools/gen_all.sh >/dev/null)
    status=0
    for folder in src include man docs packaging HACKING.md; do
        [ -e "$folder" ] || continue
        diff -rq "$folder" "$copy/$folder" | sed "s|$copy/|fresh |g" || true
    done | grep . && status=1
    [ $status -eq 0 ] || echo "generated files are stale: run make gen and commit the result"
    exit $status
fi
for generator in tools/gen_*; do
    [ -x "$generator" ] && [ "$generator" != tools/gen_all.sh ] || continue
    echo "  GEN $generator"
    "$generator"
done
