"""Where a reader may begin, and what it remembers."""

from basics import Sent, admin, consumer, end, error_name, produce, producer, read, read_from, rows, send, topic
from confluent_kafka import (OFFSET_BEGINNING, OFFSET_END, ConsumerGroupTopicPartitions, IsolationLevel, KafkaException,
                             TopicPartition)
from confluent_kafka.admin import OffsetSpec
from pydriver import digest, wait_for

BASE = 1_600_000_000_000


def timed(setting, client, label):
    """100 records, one second apart, in ten batches."""
    name = topic(setting, client, label, retention_ms="-1")
    out, sent = producer(setting, linger_ms=500), Sent()
    for begin in range(0, 100, 10):
        send(out, sent, name, range(begin, begin + 10), timestamp=lambda number: BASE + number * 1000)
        out.flush(30)
    return name


def first(source, partition):
    source.assign([partition])
    return read(source, 1)[0].offset()


def positions(setting, facts):
    client = admin(setting)
    name = timed(setting, client, "positions")
    source = consumer(setting)
    source.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
    records = read(source, 100)
    facts.fact("earliest", [records[0].offset(), len(records)])
    facts.fact("digest", digest(rows(records)))
    facts.fact("timestamps", all(m.timestamp() == (1, BASE + m.offset() * 1000) for m in records))
    source.assign([TopicPartition(name, 0, OFFSET_END)])
    facts.fact("nothing at the end", len(read(source, 1, 2)))
    produce(setting, name, [100])
    facts.fact("after latest", read(source, 1)[0].offset())
    facts.fact("offset 37", first(source, TopicPartition(name, 0, 37)))
    facts.fact("offset 41 with epoch", first(source, TopicPartition(name, 0, 41, leader_epoch=0)))
    for label, when in (("exact", BASE + 50000), ("between", BASE + 50001), ("before all", 0), ("after all", BASE * 2)):
        facts.fact("time " + label, source.offsets_for_times([TopicPartition(name, 0, when)], 10)[0].offset)
    facts.fact("begin and end", list(source.get_watermark_offsets(TopicPartition(name, 0), 10)))
    facts.fact("behind the end, reset earliest", first(source, TopicPartition(name, 0, 1000)))
    source.close()
    for reset in ("latest", "error"):
        source = consumer(setting, auto_offset_reset=reset)
        source.assign([TopicPartition(name, 0, 1000)])
        if reset == "error":
            facts.fact("behind the end, reset error", error_name(lambda source=source: read(source, 1)))
        else:
            read(source, 1, 3)
            produce(setting, name, [101])
            facts.fact("behind the end, reset latest", read(source, 1)[0].offset())
        source.close()
    source = consumer(setting, fetch_message_max_bytes=10, fetch_max_bytes=1000, message_max_bytes=1000)
    source.assign([TopicPartition(name, 0, 5)])
    facts.fact("tiny fetch limits", len(read(source, 97)))
    source.close()


def list_offsets(setting, facts):
    client = admin(setting)
    full, empty = timed(setting, client, "list-offsets"), topic(setting, client, "list-offsets-empty")
    specs = {"earliest": OffsetSpec.earliest(), "latest": OffsetSpec.latest(),
             "largest timestamp": OffsetSpec.max_timestamp(), "time exact": OffsetSpec.for_timestamp(BASE + 73000),
             "time after all": OffsetSpec.for_timestamp(BASE * 2)}
    for label, spec in specs.items():
        for name in (full, empty):
            got = client.list_offsets({TopicPartition(name, 0): spec},
                                      isolation_level=IsolationLevel.READ_COMMITTED)
            (future,) = got.values()
            where = label if name == full else label + ", empty"
            try:
                found = future.result(10)
                facts.fact(where, [found.offset, found.timestamp if found.timestamp < 0 else found.timestamp - BASE,
                                   found.leader_epoch])
            except KafkaException as problem:
                facts.fact(where, problem.args[0].name())


def commit_seek(setting, facts):
    client = admin(setting)
    name = topic(setting, client, "commit", 2)
    produce(setting, name, range(20))
    group = setting.prefix + "-commit"
    part, other = TopicPartition(name, 0), TopicPartition(name, 1)

    def tell(label, source, which):
        got = source.committed([which], 10)[0]
        facts.fact(label, [got.offset, got.metadata or "", got.leader_epoch])

    source = consumer(setting, group)
    source.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
    tell("nothing committed", source, part)
    facts.fact("first read", len(read(source, 20)))
    source.commit(offsets=[TopicPartition(name, 0, 5, "a note", 0)], asynchronous=False)
    tell("committed", source, part)
    source.seek(TopicPartition(name, 0, 2))
    facts.fact("after seek", read(source, 1)[0].offset())
    too_much = TopicPartition(name, 0, 6, "m" * 5000)
    result = error_name(lambda: source.commit(offsets=[too_much], asynchronous=False))
    facts.fact("metadata too large", result)
    tell("still committed", source, part)
    source.close()
    source = consumer(setting, group, auto_offset_reset="latest")
    source.subscribe([name])
    facts.fact("resumed at", read(source, 1)[0].offset())
    source.commit(offsets=[TopicPartition(name, 0, 1000), TopicPartition(name, 1, 0)], asynchronous=False)
    tell("behind the end", source, part)
    tell("second partition", source, other)
    stranger = consumer(setting, group)
    stranger.assign([part])
    facts.fact("commit of a stranger", error_name(
        lambda: stranger.commit(offsets=[TopicPartition(name, 0, 3)], asynchronous=False)))
    stranger.close()
    source.close()
    asked = client.alter_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group, [TopicPartition(setting.prefix + "-nowhere", 0, 1)])])

    def unknown():
        (future,) = asked.values()
        for each in future.result(10).topic_partitions:
            if each.error:
                raise KafkaException(each.error)
    facts.fact("unknown topic", error_name(unknown))
    source = consumer(setting, group + "-auto", enable_auto_commit=True)
    source.subscribe([name])
    read(source, 20)
    source.close()
    source = consumer(setting, group + "-auto")
    tell("auto commit", source, part)
    source.close()


def read_committed(setting, facts):
    client = admin(setting)
    name = topic(setting, client, "read-committed")
    produce(setting, name, range(50))
    wait_for("the end", 10, lambda: end(setting, name) == 50)
    for level in ("read_committed", "read_uncommitted"):
        source = consumer(setting, isolation_level=level)
        source.assign([TopicPartition(name, 0, 0)])
        facts.fact(level, digest(rows(read(source, 50))))
        source.close()


def delete_records(setting, facts):
    client = admin(setting)
    name = topic(setting, client, "delete-records")
    produce(setting, name, range(100))

    def delete(offset, which=name):
        (future,) = client.delete_records([TopicPartition(which, 0, offset)], request_timeout=3).values()
        return future.result(10).low_watermark

    facts.fact("low watermark", delete(40))
    facts.fact("before the start, reset earliest", read_from(setting, name, 3, 60)[0].offset())
    facts.fact("backwards", delete(10))
    facts.fact("behind the end", error_name(lambda: delete(101)))
    facts.fact("unknown topic", error_name(lambda: delete(1, setting.prefix + "-none")))
    facts.fact("all", delete(OFFSET_END))
    produce(setting, name, [0])
    facts.fact("next offset", end(setting, name))


SCENARIOS = {
    "consume-positions": positions,
    "list-offsets": list_offsets,
    "commit-seek": commit_seek,
    "read-committed": read_committed,
    "delete-records": delete_records,
}
