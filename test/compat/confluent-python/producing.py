"""Everything that begins with a produce request."""

import random
import time

from basics import (Sent, admin, consumer, create, deliver, end, error_name, produce, producer, read, read_from, rows,
                    send, topic)
from confluent_kafka import TopicPartition
from pydriver import digest, wait_for


def codecs(setting, facts):
    client = admin(setting)
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        name = topic(setting, client, "codec-" + codec)
        begin = 0
        for acks in ("0", "1", "all"):
            out, sent = producer(setting, acks=acks, compression_type=codec, linger_ms=20), Sent()
            send(out, sent, name, range(begin, begin + 20))
            left = out.flush(30)
            facts.fact("%s.acks=%s" % (codec, acks), [left, sent.errors, sent.offsets[0], sent.offsets[-1]])
            begin += 20
            wait_for("the end of " + name, 10, lambda name=name, begin=begin: end(setting, name) == begin)
        records = read_from(setting, name, 0, 60)
        facts.fact(codec + ".count", len(records))
        facts.fact(codec + ".digest", digest(rows(records)))
    own = topic(setting, client, "codec-broker", compression_type="zstd")
    produce(setting, own, range(60))
    facts.fact("broker-side.digest", digest(rows(read_from(setting, own, 0, 60))))


def errors(setting, facts):
    client = admin(setting)
    name = topic(setting, client, "errors", max_message_bytes="10000", message_timestamp_after_max_ms="60000")
    out = producer(setting, message_timeout_ms=8000)
    facts.fact("too large", deliver(out, name, b"x" * 20000))
    facts.fact("no such partition", deliver(out, name, b"x", partition=7))
    facts.fact("timestamp in the future", deliver(out, name, b"x", timestamp=int(time.time() + 3600) * 1000))
    # If the answer to its first question comes before the record, this client says "unknown" instead of "invalid".
    invalid = deliver(out, "bad/name", b"x")
    facts.fact("invalid topic", "TOPIC_EXCEPTION" if invalid == "_UNKNOWN_TOPIC" else invalid)
    facts.fact("afterwards", deliver(out, name, b"x"))
    append = topic(setting, client, "log-append", message_timestamp_type="LogAppendTime")
    deliver(out, append, b"x", timestamp=1000)
    kind, when = read_from(setting, append, 0, 1)[0].timestamp()
    facts.fact("log append time", [kind, when > 1000])


def auto_create(setting, facts):
    name = setting.prefix + "-made-by-produce"
    facts.fact("offset", deliver(producer(setting), name, b"a"))
    made = admin(setting).list_topics(name).topics[name]
    facts.fact("partitions", [len(made.partitions), len(made.partitions[0].replicas)])


def retry(setting, facts, client, label, idempotent, flight, rule):
    name = topic(setting, client, "retry-" + label.replace(" ", "-"))
    out = producer(setting, client_id="%s%s-%s" % (rule, setting.prefix, label.replace(" ", "-")), acks="all",
                   enable_idempotence=idempotent, max_in_flight=flight, batch_num_messages=1, linger_ms=0,
                   bootstrap_servers=setting.cut, retry_backoff_ms=50)
    sent = Sent()
    for number in range(50):
        send(out, sent, name, [number])
        if flight == 1:
            out.flush(30)
    out.flush(30)
    last = end(setting, name, where=setting.cut)
    facts.fact(label + ".end", last)
    facts.fact(label + ".errors", sent.errors)
    # A repeated batch that the broker calls a duplicate is told without its offset by this client.
    facts.fact(label + ".count", len(sent.offsets))
    source = consumer(setting, bootstrap_servers=setting.cut)
    source.assign([TopicPartition(name, 0, 0)])
    facts.fact(label + ".digest", digest(rows(read(source, last))))
    source.close()


def idempotent_retry(setting, facts):
    client = admin(setting, setting.cut)
    retry(setting, facts, client, "one at a time", True, 1, "cut.0.3.")
    retry(setting, facts, client, "pipelined", True, 5, "cut.0.4.")
    retry(setting, facts, client, "without idempotence", False, 1, "cut.0.3.")


def large_message(setting, facts):
    value = random.Random(7).randbytes(10 * 1024 * 1024)
    client = admin(setting)
    name = topic(setting, client, "large", max_message_bytes="12000000")
    small = topic(setting, client, "not-large")
    out = producer(setting, message_max_bytes=20000000)
    facts.fact("offset", deliver(out, name, value))
    facts.fact("offset 2", deliver(out, name, value))
    facts.fact("above the default limit", deliver(out, small, value))
    records = read_from(setting, name, 0, 2)
    facts.fact("equal", [m.value() == value for m in records])


def large_batch(setting, facts):
    client = admin(setting)
    for codec in ("none", "lz4"):
        name = topic(setting, client, "batch-" + codec)
        out = producer(setting, linger_ms=2000, batch_num_messages=10000, batch_size=900000, compression_type=codec)
        sent = Sent()
        for number in range(10000):
            out.produce(name, b"record %d" % number, partition=0, on_delivery=sent)
        out.flush(30)
        facts.fact(codec + ".offsets", [sent.errors, sent.offsets[0], sent.offsets[-1]])
        facts.fact(codec + ".digest", digest(rows(read_from(setting, name, 0, 10000))))
        facts.fact(codec + ".from the middle", read_from(setting, name, 5000, 5000)[0].offset())


def many_partitions(setting, facts):
    partitions = 2000 if setting.gate else 1000
    client = admin(setting)
    name = topic(setting, client, "many", partitions)
    out, sent = producer(setting, linger_ms=50, message_timeout_ms=120000), Sent()
    for number in range(partitions):
        out.produce(name, b"p%d" % number, partition=number, on_delivery=sent)
    out.flush(60)
    facts.fact("sent", [sent.errors[:3], len(sent.offsets), set(sent.offsets) == {0}])
    source = consumer(setting, setting.prefix + "-many")
    source.subscribe([name])
    records = read(source, partitions, 60)
    facts.fact("read", [len(records), len({m.partition() for m in records})])
    facts.fact("values", all(m.value() == b"p%d" % m.partition() for m in records))
    source.commit(asynchronous=False)
    source.close()
    client.delete_topics([name])[name].result(30)


def transactional_id(setting, facts):
    client = admin(setting)
    name = topic(setting, client, "transactions")
    out = producer(setting, transactional_id=setting.prefix + "-tx", transaction_timeout_ms=10000)
    begun = error_name(lambda: out.init_transactions(8))
    facts.fact("init", begun)
    facts.fact("begin", error_name(out.begin_transaction))
    facts.fact("send", error_name(lambda: out.produce(name, b"in a transaction")))
    facts.fact("commit", error_name(lambda: out.commit_transaction(8)))
    if begun == "ok":
        # A commit is answered before its marker lies in every partition.
        wait_for("the marker", 10, lambda: end(setting, name) > 0)
    facts.fact("visible records", len(read_from(setting, name, 0, 1)) if end(setting, name) else 0)


def compact_policy(setting, facts):
    client = admin(setting)
    for label, policy in (("compact", "compact"), ("both", "compact,delete")):
        name = "%s-%s" % (setting.prefix, label)
        facts.fact(label, error_name(lambda name=name, policy=policy: create(client, name, 1, {"cleanup.policy": policy})))


SCENARIOS = {
    "produce-codecs": codecs,
    "produce-errors": errors,
    "auto-create": auto_create,
    "idempotent-retry": idempotent_retry,
    "large-message": large_message,
    "large-batch": large_batch,
    "many-partitions": many_partitions,
    "transactional-id": transactional_id,
    "compact-policy": compact_policy,
}
