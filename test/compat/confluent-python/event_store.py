"""The event store met by a plain client: see harness/events.py for what each scenario shows."""

from basics import admin, create, end, producer, read_from, result_of
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, ResourceType


class Told:
    """What delivery reports said, in order: "ok", or [name, text]."""

    def __init__(self):
        self.all = []

    def __call__(self, error, _message):
        self.all.append("ok" if error is None else [error.name(), error.str()])


def event(out, told, topic, stream, expected=None, ident=None, kind="OrderPlaced", **more):
    headers = [("ce_type", kind.encode())]
    if expected is not None:
        headers.append(("leat-expected-version", str(expected).encode()))
    if ident is not None:
        headers.append(("ce_id", ident.encode()))
    out.produce(topic, b'{"n":1}', stream, on_delivery=told, headers=headers, **more)


def append(out, topic, stream, expected=None, **more):
    """One event in a batch of its own, waited for."""
    told = Told()
    event(out, told, topic, stream, expected, **more)
    out.flush(30)
    return told.all[0] if told.all else "nothing was heard"



def appending(setting, facts):
    topic, stream = "es.%sone" % setting.prefix, setting.prefix + "one-append"
    out = producer(setting, message_timeout_ms=10000)
    before = end(setting, topic)
    for name, expected in (("no_stream", "no_stream"), ("revision", 0), ("exists", "exists"), ("any", "any"),
                           ("no_stream again", "no_stream"), ("wrong revision", 7), ("afterwards", 3)):
        facts.fact(name, append(out, topic, stream, expected))
    facts.fact("exists, of none", append(out, topic, stream + "-none", "exists"))
    facts.fact("count", end(setting, topic) - before)


def batch(setting, facts):
    topic, a = "es.%sone" % setting.prefix, setting.prefix + "one-batch"
    out, told = producer(setting, linger_ms=5000, message_timeout_ms=10000), Told()
    append(out, topic, a + "-before", "no_stream")  # records for a topic that is not known yet may go in several batches
    before = end(setting, topic)
    for stream, expected in ((a, "no_stream"), (a, None), (a + "-b", 9), (a + "-c", "exists")):
        event(out, told, topic, stream, expected)
    out.flush(30)
    facts.fact("records", told.all)
    facts.fact("count", end(setting, topic) - before)
    facts.fact("afterwards", append(out, topic, a, "no_stream"))


def refused(setting, facts):
    topic = "es." + setting.prefix
    out = producer(setting, message_timeout_ms=10000, partitioner="murmur2_random")
    facts.fact("no expectation", append(out, topic, setting.prefix + "-refused"))
    facts.fact("bad expectation", append(out, topic, setting.prefix + "-refused", "-1"))
    facts.fact("other category", append(out, topic, "other-1", "any"))
    facts.fact("partitions 0 to 3", [append(out, topic, setting.prefix + "-refused", "exists", partition=number)
                                     for number in range(4)])
    facts.fact("count", sum(end(setting, topic, number) for number in range(4)))
    facts.fact("afterwards", append(out, topic, setting.prefix + "-refused", "no_stream"))


def idempotent(setting, facts):
    topic, stream = "es.%sone" % setting.prefix, setting.prefix + "one-idempotent"
    out = producer(setting, enable_idempotence=True, message_timeout_ms=10000)
    before = end(setting, topic)
    facts.fact("first", append(out, topic, stream, "no_stream"))
    facts.fact("refused", append(out, topic, stream, "no_stream"))
    facts.fact("next", append(out, topic, stream, 0, ident="known"))
    facts.fact("repeated", append(out, topic, stream, 0, ident="known"))
    facts.fact("after it", append(out, topic, stream, 1))
    facts.fact("count", end(setting, topic) - before)
    before, told = end(setting, topic), Told()
    out = producer(setting, enable_idempotence=True, message_timeout_ms=10000, batch_num_messages=1, linger_ms=0)
    for number in range(10):
        event(out, told, topic, "%s-%d" % (stream, number), 5 if number == 3 else "no_stream")
    out.flush(30)
    facts.fact("ten in flight, the fourth refused", told.all)
    facts.fact("stored is what was told", end(setting, topic) - before == told.all.count("ok"))


def retry(setting, facts):
    topic = "es.%sone" % setting.prefix
    cases = (("with id", False, 0, "e2"), ("without id", False, 0, None), ("any without id", False, "any", None),
             ("idempotent, without id", True, 0, None))
    for number, (name, idempotence, expected, ident) in enumerate(cases):
        stream = "%sone-retry-%d" % (setting.prefix, number)
        before = end(setting, topic, where=setting.cut)
        out = producer(setting, bootstrap_servers=setting.cut, client_id="cut.0.2.%s-%d" % (setting.prefix, number),
                       enable_idempotence=idempotence, message_timeout_ms=15000, retry_backoff_ms=50, acks="all")
        append(out, topic, stream, "no_stream")
        facts.fact(name, append(out, topic, stream, expected, ident=ident))
        facts.fact(name + ".count", end(setting, topic, where=setting.cut) - before)


def partitioner(setting, facts):
    topic = "es." + setting.prefix
    before = sum(end(setting, topic, number) for number in range(4))
    for name, more in (("by default", {}), ("as advised", {"partitioner": "murmur2_random"})):
        out, told = producer(setting, message_timeout_ms=10000, batch_num_messages=1, linger_ms=0, **more), Told()
        for number in range(20):
            event(out, told, topic, "%s-part%s-%d" % (setting.prefix, name[:2], number), "no_stream")
        out.flush(30)
        facts.fact(name, told.all.count("ok"))
        if name == "by default":
            before += told.all.count("ok")
    facts.fact("count", sum(end(setting, topic, number) for number in range(4)) - before)


def reading(setting, facts):
    topic, stream = "es.%sone" % setting.prefix, setting.prefix + "one-read"
    out = producer(setting, message_timeout_ms=10000)
    begin = end(setting, topic)
    for number, kind in enumerate(("OrderPlaced", "OrderPaid", "OrderShipped")):
        append(out, topic, stream, number - 1 if number else "no_stream", kind=kind, ident="e%d" % number)
    found = read_from(setting, topic, begin, 3)
    headers = [dict(message.headers()) for message in found]
    facts.fact("keys", [message.key().decode() for message in found])
    facts.fact("revisions", [int(each["leat-revision"]) for each in headers])
    facts.fact("ids", [each["ce_id"].decode() for each in headers])
    facts.fact("types", [each["ce_type"].decode() for each in headers])
    facts.fact("headers", [name for name, _ in found[0].headers()])


def told_by(work):
    try:
        work()
        return "ok"
    except KafkaException as problem:
        return [problem.args[0].name(), problem.args[0].str()]


def administration(setting, facts):
    topic, client = "es.%sone" % setting.prefix, admin(setting)

    def alter(name, value):
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)])
        return told_by(lambda: result_of(client.incremental_alter_configs([resource])))

    facts.fact("create topic", told_by(lambda: create(client, "es.%stwo" % setting.prefix)))
    facts.fact("delete topic", told_by(lambda: result_of(client.delete_topics([topic]))))
    facts.fact("add partitions", told_by(lambda: result_of(client.create_partitions([NewPartitions(topic, 2)]))))
    facts.fact("delete records", told_by(lambda: result_of(client.delete_records([TopicPartition(topic, 0, 1)]))))
    facts.fact("retention.ms", alter("retention.ms", "1000"))
    facts.fact("retention.bytes", alter("retention.bytes", "1000000"))
    facts.fact("cleanup.policy", alter("cleanup.policy", "compact"))
    facts.fact("leat.durability", alter("leat.durability", "os"))
    facts.fact("max.message.bytes", alter("max.message.bytes", "2000000"))
    facts.fact("topic is there", topic in client.list_topics(topic).topics)


SCENARIOS = {
    "events-append": appending,
    "events-batch": batch,
    "events-refused": refused,
    "events-idempotent": idempotent,
    "events-retry": retry,
    "events-partitioner": partitioner,
    "events-read": reading,
    "events-admin": administration,
}
