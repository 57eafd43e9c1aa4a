#!/bin/sh
# Compares src/record with Apache Kafka's own classes. From the root of the tree:
#
#   run.sh             our builder's batches read by Kafka, and 2000 damaged ones judged by both (COUNT=n)
#   run.sh write DIR   makes the vectors of test/golden/record
#
# Wants a JDK, and Apache Kafka's jars in $KAFKA_HOME/libs (default: build/deps/kafka).
set -eu
cd "$(dirname "$0")/../../.."
here=test/compat/java-record
libs=${KAFKA_HOME:-build/deps/kafka}/libs
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ ! -d "$libs" ] || ! command -v javac >/dev/null; then
    echo "SKIP record-kafka: no JDK, or no Apache Kafka in $libs"
    exit 0
fi
javac -d "$work/classes" -cp "$libs/*" $here/RecordVectors.java
kafka() {
    java -cp "$work/classes:$libs/*" RecordVectors "$@" 2>"$work/java.log" || { cat "$work/java.log"; return 1; }
}
if [ "${1:-}" = write ]; then
    kafka write "$2"
    exit 0
fi
${CC:-gcc} -std=c17 -O1 -g -D_GNU_SOURCE -Isrc -Itest/unit/record ${CFLAGS:-} -o "$work/tool" \
    $here/record_tool.c test/unit/record/record_dump.c src/record/*.c src/core/*.c -pthread \
    -lz -lsnappy -llz4 -lzstd
mkdir "$work/batches"
"$work/tool" build "$work/batches" "${COUNT:-2000}"
kafka dump "$work"/batches/valid-*.bin >"$work/kafka.dump"
"$work/tool" dump "$work"/batches/valid-*.bin >"$work/leat.dump"
cmp "$work/kafka.dump" "$work/leat.dump"
echo "ok: Kafka reads what we build, $(grep -c ^record "$work/leat.dump") records"
kafka judge "$work"/batches/*.bin >"$work/kafka.judge"
"$work/tool" judge "$work"/batches/*.bin >"$work/leat.judge"
${PYTHON:-python3} $here/compare.py "$work/kafka.judge" "$work/leat.judge"
