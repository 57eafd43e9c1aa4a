#!/bin/sh
# Fuzzes with libFuzzer.   tools/run_fuzz.sh FOLDER [TARGET [SECONDS]]
# FOLDER holds the targets (build/fuzz/fuzz). New inputs go to build/fuzz/corpus/TARGET, never into the tracked
# corpus of test/fuzz/corpus/TARGET (`make fuzz` says how to move one there). A crash is kept in build/fuzz/crashes
# and printed with the command that repeats it.
set -u
folder=$1 only=${2:-} seconds=${3:-60}
work=$(dirname "$folder")
status=0 ran=0
for binary in "$folder"/${only:-*}; do
    [ -x "$binary" ] || continue
    name=${binary##*/}
    [ -f "test/fuzz/targets/$name.c" ] || continue
    mkdir -p "$work/corpus/$name" "$work/crashes"
    seeds=test/fuzz/corpus/$name
    [ -d "$seeds" ] || seeds=
    ran=$((ran + 1))
    echo "fuzz: $name for $seconds s"
    # shellcheck disable=SC2086
    if ! "$binary" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$work/crashes/$name-" "$work/corpus/$name" $seeds >"$work/$name.log" 2>&1; then
        status=1
        tail -n 40 "$work/$name.log"
        found=$(ls -t "$work/crashes/$name-"* 2>/dev/null | head -n 1)
        echo "FAILED: $name: repeat it with  $binary $found"
        echo "        when it is fixed: cp $found test/fuzz/corpus/$name/"
    else
        grep -E 'stat::(number_of_executed_units|new_units_added|peak_rss_mb)' "$work/$name.log"
    fi
done
[ $ran -gt 0 ] || {
    echo "fuzz: no target ${only:-at all} in $folder" >&2
    exit 1
}
exit $status
