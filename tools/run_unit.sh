#!/bin/sh
# Runs the unit test binaries of one build folder and sums their counts.
#   tools/run_unit.sh build/debug [ROOM [TEXT]]
# ROOM runs one room; TEXT runs the tests whose name contains it. LEAT_JOBS rooms (2) run at a time.
set -u
out=$1 room=${2:-} text=${3:-}
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:handle_segv=2:detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-second_deadlock_stack=1}"
passed=0 failed=0 skipped=0
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
for binary in "$out"/test/unit_${room:-*}; do
    [ -x "$binary" ] || continue
    # A binary of a room whose tests are gone stays in the folder: it is not a test any more.
    [ -d "test/unit/${binary##*/unit_}" ] && echo "$binary"
done >"$logs/binaries"
# shellcheck disable=SC2016 # the inner shell expands them
xargs -r -P "${LEAT_JOBS:-2}" -I {} sh -c '
    name=${1##*/} logs=$2 text=$3
    "$1" ${text:+"$text"} >"$logs/$name" 2>&1
    echo $? >"$logs/$name.status"' sh {} "$logs" "$text" <"$logs/binaries"
while read -r binary; do
    log=$logs/${binary##*/}
    status=$(cat "$log.status")
    counts=$(tail -n 1 "$log")
    case $counts in
    *" passed, "*" failed, "*" skipped") ;;
    *) counts="0 passed, 1 failed, 0 skipped" ;;
    esac
    p=${counts%% *} rest=${counts#*, } f=${rest%% *} rest=${rest#*, } s=${rest%% *}
    # A leak or a crash at the very end comes after the counts were printed: trust the exit status.
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
        [ "$status" -eq 2 ] && [ -n "$text" ] && continue
        f=1
    fi
    echo "${binary##*/}: $p passed, $f failed, $s skipped"
    grep '^SKIP ' "$log"
    if [ "$f" -ne 0 ]; then
        cat "$log"
        echo "FAIL ${binary##*/}: exit status $status"
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done <"$logs/binaries"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
