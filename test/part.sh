# For parts written in shell: `. test/part.sh`, then pass, fail, skip for each thing shown, and `finish` as the
# last command. The working folder of a part is the root of the checkout.
# shellcheck shell=sh
part_passed=0 part_failed=0 part_skipped=0

pass() { # pass NAME
    part_passed=$((part_passed + 1))
    echo "ok $1"
}

fail() { # fail NAME [WHAT HAPPENED]
    part_failed=$((part_failed + 1))
    echo "FAIL $1${2:+: $2}"
}

skip() { # skip NAME REASON
    part_skipped=$((part_skipped + 1))
    echo "SKIP $1: $2"
}

# try NAME COMMAND...: passes if the command ends with status 0.
try() {
    try_name=$1
    shift
    if "$@"; then
        pass "$try_name"
    else
        fail "$try_name" "exit status $?"
    fi
}

# try_suite NAME COMMAND...: the command prints a count line of its own, which is added to the count.
try_suite() {
    try_name=$1
    shift
    try_log=$(mktemp)
    "$@" >"$try_log" 2>&1
    try_status=$?
    sed '$d' "$try_log"
    try_last=$(tail -n 1 "$try_log")
    rm -f "$try_log"
    case $try_last in
    [0-9]*" passed, "[0-9]*" failed, "[0-9]*" skipped")
        echo "$try_name: $try_last"
        try_rest=${try_last#*, }
        try_f=${try_rest%% *}
        try_rest=${try_rest#*, }
        part_passed=$((part_passed + ${try_last%% *}))
        part_failed=$((part_failed + try_f))
        part_skipped=$((part_skipped + ${try_rest%% *}))
        if [ "$try_status" -ne 0 ] && [ "$try_f" -eq 0 ]; then
            fail "$try_name" "exit status $try_status"
        fi
        ;;
    *)
        echo "$try_last"
        fail "$try_name" "ended with status $try_status and without a count"
        ;;
    esac
}

finish() {
    echo "$part_passed passed, $part_failed failed, $part_skipped skipped"
    [ "$part_failed" -eq 0 ]
    exit
}
