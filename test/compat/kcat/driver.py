"""Runs the compatibility scenarios with kcat, one process per step, as people use it."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))

import event_store  # noqa: E402
from pydriver import NotApplicable, digest, main, wait_for  # noqa: E402
from raw import create_topic  # noqa: E402

BASE = 1_600_000_000_000
PROBLEM = re.compile(r"((?:Broker|Local): [A-Za-z0-9 '.,-]*)")


def topic(setting, label, partitions=1, where=None, **config):
    name = setting.prefix + "-" + label
    create_topic(where or setting.bootstrap, name, partitions,
                 {key.replace("_", "."): value for key, value in config.items()})
    return name


def kcat(setting, *arguments, feed=None, where=None, seconds=40):
    """Runs kcat to its end; returns (standard output, standard error, status)."""
    done = subprocess.run(["kcat", "-b", where or setting.bootstrap, "-m", "10", *arguments], input=feed,
                          capture_output=True, timeout=seconds, check=False)
    sys.stderr.write(done.stderr.decode("utf-8", "replace"))
    return done.stdout, done.stderr.decode("utf-8", "replace"), done.returncode


def options(**more):
    return [part for key, value in more.items() for part in ("-X", "%s=%s" % (key.replace("_", "."), value))]


def problem(result):
    """The error that kcat printed, or "ok"."""
    _out, err, status = result
    found = PROBLEM.search(err)
    if status == 0 and not found:
        return "ok"
    return found.group(1).strip(" ,.") if found else "status %d" % status


def produce(setting, name, lines, *arguments, **more):
    feed = "".join(line + "\n" for line in lines).encode()
    return kcat(setting, "-P", "-t", name, *arguments, feed=feed, **more)


def read(setting, name, *arguments, **more):
    """Reads up to the end of the topic; returns what `kcat -J` prints, parsed."""
    out, _err, _status = kcat(setting, "-C", "-t", name, "-e", "-q", "-J", *arguments, **more)
    return [json.loads(line) for line in out.decode().splitlines()]


def rows(records):
    return [(r["offset"], as_bytes(r.get("key")), as_bytes(r.get("payload")),
             list(zip(r.get("headers", [])[::2], map(as_bytes, r.get("headers", [])[1::2])))) for r in records]


def as_bytes(text):
    return None if text is None else text.encode()


def records_of(numbers):
    return ["k%d:%s" % (n, "" if n % 7 == 6 else "v%d-%s" % (n, "x" * 100)) for n in numbers]


def codecs(setting, facts):
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        name = topic(setting, "codec-" + codec)
        begin = 0
        for acks in ("0", "1", "-1"):
            result = produce(setting, name, records_of(range(begin, begin + 20)), "-K", ":", "-Z", "-z", codec,
                             "-H", "acks=" + acks, *options(acks=acks, linger_ms=20))
            facts.fact("%s.acks=%s" % (codec, acks), problem(result))
            begin += 20
            wait_for("the end of " + name, 10, lambda name=name, begin=begin: len(read(setting, name)) == begin)
        facts.fact(codec + ".digest", digest(rows(read(setting, name))))
    own = topic(setting, "codec-broker", compression_type="zstd")
    produce(setting, own, records_of(range(60)), "-K", ":")
    facts.fact("broker-side.digest", digest(rows(read(setting, own))))


def errors(setting, facts):
    name = topic(setting, "errors", max_message_bytes="10000")
    facts.fact("too large", problem(produce(setting, name, ["x" * 20000])))
    facts.fact("no such partition", problem(produce(setting, name, ["x"], "-p", "7", *options(message_timeout_ms=3000))))
    facts.fact("invalid topic", problem(produce(setting, "bad/name", ["x"], *options(message_timeout_ms=5000))))
    facts.fact("afterwards", problem(produce(setting, name, ["x"])))
    facts.fact("count", len(read(setting, name)))


def auto_create(setting, facts):
    name = setting.prefix + "-made-by-produce"
    facts.fact("produce", problem(produce(setting, name, ["a"])))
    facts.fact("read", [[r["partition"], r["offset"], r["payload"]] for r in read(setting, name)])


def positions(setting, facts):
    name = topic(setting, "positions")
    for begin in range(0, 100, 25):
        produce(setting, name, records_of(range(begin, begin + 25)), "-K", ":")
    records = read(setting, name)
    facts.fact("earliest", [records[0]["offset"], len(records)])
    facts.fact("digest", digest(rows(records)))
    for label, offset in (("end", "end"), ("offset 37", "37"), ("the last ten", "-10")):
        found = read(setting, name, "-p", "0", "-o", offset)
        facts.fact(label, [len(found), found[0]["offset"] if found else None])
    when = records[50]["ts"]
    expected = next(r["offset"] for r in records if r["ts"] >= when)
    found = read(setting, name, "-p", "0", "-o", "s@%d" % when)
    facts.fact("from a time", found[0]["offset"] == expected)
    facts.fact("up to a time", len(read(setting, name, "-p", "0", "-o", "s@0", "-o", "e@%d" % when)) == expected)
    for reset in ("earliest", "error"):
        arguments = ["-C", "-t", name, "-p", "0", "-o", "1000", "-c", "1", "-q", "-f", "%o",
                     *options(auto_offset_reset=reset)]
        out, err, status = kcat(setting, *arguments)
        facts.fact("behind the end, reset " + reset, out.decode() or problem((out, err, status)))


def list_offsets(setting, facts):
    name = topic(setting, "list-offsets")
    produce(setting, name, records_of(range(20)), "-K", ":")
    for label, when in (("earliest", -2), ("latest", -1), ("before all", 0), ("after all", BASE * 2)):
        out, err, status = kcat(setting, "-Q", "-t", "%s:0:%d" % (name, when))
        facts.fact(label, out.decode().strip().split(" ")[-1] if status == 0 else problem((out, err, status)))


class Member:
    """`kcat -G` as a member of a group; its standard error tells of assignments."""

    ASSIGNED = re.compile(r"rebalanced \(memberid [^)]*\): (assigned|revoked|incrementally assigned"
                          r"|incrementally revoked): (.*)$")

    def __init__(self, setting, group, name, where=None, **more):
        self.assigned = set()
        self.rebalances = 0
        self.lines = []
        self.problems = []
        self.process = subprocess.Popen(
            ["kcat", "-b", where or setting.bootstrap, "-u", "-f", "%p/%o\n", "-X", "auto.offset.reset=earliest",
             *options(heartbeat_interval_ms=300, session_timeout_ms=6000, debug="cgrp", **more), "-G", group, name],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for target in (self._errors, self._records):
            threading.Thread(target=target, daemon=True).start()

    def _errors(self):
        for line in self.process.stderr:
            sys.stderr.write(line)
            found = self.ASSIGNED.search(line.rstrip())
            if found:
                parts = {int(number) for number in re.findall(r"\[(\d+)\]", found.group(2))}
                self.rebalances += 1
                self.assigned = {"assigned": parts, "revoked": set(),
                                 "incrementally assigned": self.assigned | parts,
                                 "incrementally revoked": self.assigned - parts}[found.group(1)]
            elif PROBLEM.search(line):
                self.problems.append(PROBLEM.search(line).group(1).strip(" ,."))

    def _records(self):
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def stop(self, how=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(20)


def wait_sizes(first, count, second=None, other=0):
    wait_for("assignments of %d and %d" % (count, other), 40, lambda: len(first.assigned) == count
             and (second is None or len(second.assigned) == other))


def join_leave(setting, facts):
    for assignor in ("range", "roundrobin"):
        name = topic(setting, "join-" + assignor, 6)
        group = "%s-join-%s" % (setting.prefix, assignor)
        a = Member(setting, group, name, partition_assignment_strategy=assignor)
        wait_sizes(a, 6)
        b = Member(setting, group, name, partition_assignment_strategy=assignor)
        wait_sizes(a, 3, b, 3)
        facts.fact(assignor + ".two share", [len(a.assigned), len(b.assigned), len(a.assigned | b.assigned)])
        for partition in range(6):
            produce(setting, name, records_of(range(10)), "-p", str(partition))
        wait_for("all records", 20, lambda: len(a.lines) + len(b.lines) >= 60)
        facts.fact(assignor + ".each read half", [len(a.lines), len(b.lines)])
        b.stop()
        wait_sizes(a, 6)
        produce(setting, name, records_of(range(5)), "-p", "3")
        wait_for("the rest", 20, lambda: len(set(a.lines) | set(b.lines)) >= 65)
        # Distinct records: librdkafka before 2.4 may read again from where it began before the rebalance, although
        # it was told the committed offset (confluentinc/librdkafka issue 4637). Other clients count repetitions.
        facts.fact(assignor + ".all were read", len(set(a.lines) | set(b.lines)))
        a.stop()


def member_dies(setting, facts):
    name = topic(setting, "dies", 6)
    a = Member(setting, setting.prefix + "-dies", name)
    wait_sizes(a, 6)
    b = Member(setting, setting.prefix + "-dies", name)
    wait_sizes(a, 3, b, 3)
    facts.fact("two share", [len(a.assigned), len(b.assigned)])
    b.stop(signal.SIGKILL)
    wait_sizes(a, 6)
    facts.fact("one is left", len(a.assigned))
    a.stop()


def static_members(setting, facts):
    name = topic(setting, "static", 6)
    group = setting.prefix + "-static"
    a = Member(setting, group, name, group_instance_id="one")
    wait_sizes(a, 6)
    b = Member(setting, group, name, group_instance_id="two")
    wait_sizes(a, 3, b, 3)
    before, rebalances = b.assigned, a.rebalances
    b.stop(signal.SIGKILL)
    again = Member(setting, group, name, group_instance_id="two")
    wait_sizes(a, 3, again, 3)
    facts.fact("same partitions", again.assigned == before)
    facts.fact("no rebalance", a.rebalances == rebalances)
    twin = Member(setting, group, name, group_instance_id="two")
    wait_for("the fence", 20, lambda: any("fenced" in text.lower() for text in again.problems))
    facts.fact("the double", sorted({text for text in again.problems if "fenced" in text.lower()}))
    wait_sizes(a, 3, twin, 3)
    facts.fact("the newer one stays", len(twin.assigned))
    for member in (again, twin, a):
        member.stop(signal.SIGKILL)


def commit(setting, facts):
    name = topic(setting, "commit")
    produce(setting, name, records_of(range(20)), "-K", ":")
    group = ["-G", setting.prefix + "-commit", name]
    how = ["-q", "-f", "%o\n", *options(auto_offset_reset="earliest")]
    out, _err, _status = kcat(setting, *how, "-c", "5", *group)
    facts.fact("first five", out.decode().split())
    out, _err, _status = kcat(setting, *how, "-e", *group)
    facts.fact("resumed at", out.decode().split()[:1])
    facts.fact("up to", out.decode().split()[-1:])


def idempotent_retry(setting, facts):
    for label, rule, more in (("one at a time", "cut.0.3.", {"max_in_flight": 1, "enable_idempotence": "true"}),
                              ("pipelined", "cut.0.4.", {"max_in_flight": 5, "enable_idempotence": "true"})):
        name = topic(setting, "retry-" + label.replace(" ", "-"), 1, setting.cut)
        client = rule + setting.prefix + "-" + label.replace(" ", "-")
        # kcat gives up when every broker is down. A second name for the address, kept connected, is one more broker.
        twice = setting.cut + "," + setting.cut.replace("127.0.0.1", "localhost")
        result = produce(setting, name, records_of(range(50)), "-K", ":", where=twice,
                         *options(client_id=client, acks="all", batch_num_messages=1, retry_backoff_ms=50,
                                  enable_sparse_connections="false", broker_address_family="v4", **more))
        facts.fact(label + ".status", result[2])
        records = read(setting, name, where=setting.cut)
        facts.fact(label + ".count", len(records))
        facts.fact(label + ".digest", digest(rows(records)))


def describe_cluster(setting, facts):
    name = topic(setting, "described", 3)
    known = json.loads(kcat(setting, "-L", "-J", "-t", name)[0])
    facts.fact("nodes", len(known["brokers"]))
    facts.fact("controller is a node", known["controllerid"] in [each["id"] for each in known["brokers"]])
    facts.fact("address", known["brokers"][0]["name"] == setting.bootstrap)
    facts.fact("partitions", [[part["partition"], len(part["replicas"]), len(part["isrs"])]
                              for part in known["topics"][0]["partitions"]])
    missing = json.loads(kcat(setting, "-L", "-J", "-t", setting.prefix + "-none",
                              *options(allow_auto_create_topics="false"))[0])
    facts.fact("unknown topic", missing["topics"][0].get("error"))


def large_message(setting, facts):
    name = topic(setting, "large", max_message_bytes="12000000")
    small = topic(setting, "not-large")
    with tempfile.NamedTemporaryFile() as data:
        data.write(b"0123456789abcdef" * (10 * 1024 * 1024 // 16))
        data.flush()
        for label, where in (("produce", name), ("above the default limit", small)):
            facts.fact(label, problem(kcat(setting, "-P", "-t", where, *options(message_max_bytes=20000000), data.name)))
        out, _err, _status = kcat(setting, "-C", "-t", name, "-e", "-q", "-D", "")
        data.seek(0)
        facts.fact("equal", out == data.read())


def large_batch(setting, facts):
    for codec in ("none", "lz4"):
        name = topic(setting, "batch-" + codec)
        result = produce(setting, name, ["record %d" % number for number in range(10000)], "-z", codec,
                         *options(linger_ms=1000, batch_num_messages=10000))
        facts.fact(codec + ".produce", problem(result))
        records = read(setting, name)
        facts.fact(codec + ".count", len(records))
        facts.fact(codec + ".digest", digest(rows(records)))
        facts.fact(codec + ".from the middle", len(read(setting, name, "-p", "0", "-o", "5000")))


def many_partitions(setting, facts):
    partitions = 2000 if setting.gate else 1000
    name = topic(setting, "many", partitions)
    lines = ["k%d:v%d" % (number, number) for number in range(partitions * 5)]
    facts.fact("produce", problem(produce(setting, name, lines, "-K", ":", "-X", "partitioner=murmur2", seconds=80)))
    records = read(setting, name, seconds=80)
    facts.fact("count", len(records))
    facts.fact("partitions", len({r["partition"] for r in records}))
    facts.fact("keys", len({r["key"] for r in records}))


def transactional_id(setting, facts):
    name = topic(setting, "transactions")
    facts.fact("produce", problem(produce(setting, name, ["in a transaction"],
                                          *options(transactional_id=setting.prefix + "-tx"), seconds=80)))
    facts.fact("visible records", len(read(setting, name)))


def read_committed(setting, facts):
    name = topic(setting, "read-committed")
    produce(setting, name, records_of(range(50)), "-K", ":")
    for level in ("read_committed", "read_uncommitted"):
        facts.fact(level, digest(rows(read(setting, name, *options(isolation_level=level)))))


def nothing_of(what):
    def refuse(_setting, _facts):
        raise NotApplicable("kcat has no command to " + what)
    return refuse


if __name__ == "__main__":
    main({
        "produce-codecs": codecs,
        "produce-errors": errors,
        "auto-create": auto_create,
        "consume-positions": positions,
        "list-offsets": list_offsets,
        "group-join-leave": join_leave,
        "group-member-dies": member_dies,
        "group-static-members": static_members,
        "commit-seek": commit,
        "idempotent-retry": idempotent_retry,
        "topic-admin": nothing_of("administrate topics"),
        "config-admin": nothing_of("read or alter configuration"),
        "delete-records": nothing_of("delete records"),
        "describe-cluster": describe_cluster,
        "group-admin": nothing_of("administrate groups"),
        "large-message": large_message,
        "large-batch": large_batch,
        "many-partitions": many_partitions,
        "transactional-id": transactional_id,
        "read-committed": read_committed,
        "compact-policy": nothing_of("create a topic with a configuration"),
        **event_store.SCENARIOS,
    })
