"""Compares two files of verdicts (RecordVectors judge, record_tool judge), line by line.

why() knows the differences that we want, with the reason. Any other one fails.
"""

import collections
import sys


def why(kafka, leat):
    """The reason why these two outcomes may differ, or None."""
    if leat == kafka + " strict":
        return "none, but for our mark"
    if leat.endswith(" strict"):
        return "append time or half a producer id, refused by us only"
    if " renumbered " in leat and kafka.startswith("ok ") and kafka.split()[1] == leat.split()[1]:
        return "wrong offsets in an uncompressed batch: Kafka stores them, we number anew"
    if " not-utf8 " in leat and kafka.startswith("ok ") and kafka.split()[1] == leat.split()[1]:
        return "header names that are not UTF-8, which Java's strings can not hold"
    if leat == "INVALID_RECORD" and kafka.split()[0] in ("INVALID_RECORD", "INVALID_TIMESTAMP"):
        return "both refuse; a varint with too many bits is malformed for us, Kafka drops the bits"
    if kafka != "UNKNOWN_SERVER_ERROR":
        return None
    if leat.startswith("ok "):
        return "Kafka runs into an exception while it rebuilds a batch"
    return "Kafka runs into an exception, we say " + leat.split()[0]


def main(kafka_file, leat_file):
    kafka = open(kafka_file, encoding="utf-8").read().splitlines()
    leat = open(leat_file, encoding="utf-8").read().splitlines()
    if len(kafka) != len(leat):
        print(f"FAIL: {len(kafka)} and {len(leat)} verdicts")
        return 1
    outcomes, wanted, bad = collections.Counter(), collections.Counter(), []
    for a, b in zip(kafka, leat):
        of_kafka, of_leat = a.split(" ", 2)[2], b.split(" ", 2)[2]
        outcomes[of_leat.split(" ")[0]] += 1
        if of_kafka == of_leat:
            continue
        reason = why(of_kafka, of_leat)
        if reason is None:
            bad.append(f"kafka: {a}\nleat:  {b}")
        else:
            wanted[reason] += 1
    print("verdicts:", dict(outcomes))
    for reason, n in wanted.items():
        print(f"wanted difference, {n} times: {reason}")
    for line in bad[:20]:
        print(line)
    print(f"{'FAIL' if bad else 'ok'}: {len(leat)} verdicts, {len(bad)} unexpected differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
