"""Helpers around confluent_kafka that every scenario needs."""

import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402
from pydriver import sample, wait_for  # noqa: E402

QUIET = {"log_level": 3, "socket.timeout.ms": 10000}


def admin(setting, where=None):
    return AdminClient({"bootstrap.servers": where or setting.bootstrap, **QUIET})


def producer(setting, **more):
    conf = {"bootstrap.servers": setting.bootstrap, "linger.ms": 5, **QUIET}
    conf.update({key.replace("_", "."): value for key, value in more.items()})
    return Producer(conf)


def consumer(setting, group=None, **more):
    conf = {"bootstrap.servers": setting.bootstrap, "group.id": group or setting.prefix + "-any",
            "enable.auto.commit": False, "auto.offset.reset": "earliest", **QUIET}
    conf.update({key.replace("_", "."): value for key, value in more.items()})
    return Consumer(conf)


def error_name(work):
    """The protocol's name of the error that the work ended with, or "ok"."""
    try:
        work()
        return "ok"
    except KafkaException as problem:
        return problem.args[0].name()


def result_of(futures):
    """Waits for the single future of an administration call."""
    (future,) = futures.values()
    return future.result(30)


def create(client, name, partitions=1, config=None, **more):
    return result_of(client.create_topics([NewTopic(name, partitions, more.pop("replicas", 1), config=config or {})],
                                          **more))


def topic(setting, client, name, partitions=1, **config):
    full = setting.prefix + "-" + name
    create(client, full, partitions, {key.replace("_", "."): value for key, value in config.items()})
    wait_for("topic " + full, 30, lambda: full in client.list_topics(full).topics
             and len(client.list_topics(full).topics[full].partitions) == partitions)
    return full


class Sent:
    """Collects delivery reports in order."""

    def __init__(self):
        self.offsets = []
        self.errors = []

    def __call__(self, error, message):
        if error is not None:
            self.errors.append(error.name())
        self.offsets.append(message.offset())


def send(out, sent, name, numbers, partition=0, timestamp=None):
    for number in numbers:
        key, value, headers = sample(number)
        more = {"timestamp": timestamp(number)} if timestamp else {}
        while True:
            try:
                out.produce(name, value, key, partition, on_delivery=sent, headers=headers, **more)
                break
            except BufferError:
                out.poll(0.1)
        out.poll(0)


def produce(setting, name, numbers, partition=0):
    out, sent = producer(setting), Sent()
    send(out, sent, name, numbers, partition)
    left = out.flush(30)
    if left or sent.errors:
        raise RuntimeError("%d records not sent, errors %s" % (left, sent.errors[:1]))


def deliver(out, name, value, **more):
    """Produces one record and returns its offset or the error's name."""
    sent = Sent()
    try:
        out.produce(name, value, on_delivery=sent, **more)
    except KafkaException as problem:
        return problem.args[0].name()
    out.flush(30)
    if sent.errors:
        return sent.errors[0]
    return sent.offsets[0] if sent.offsets else "nothing was heard"


def read(source, count, seconds=20):
    """Reads `count` messages, or fewer when time is up; raises what the consumer reports."""
    found = []

    def more():
        for message in source.consume(min(1000, count - len(found)), 0.2):
            if message.error():
                raise KafkaException(message.error())
            found.append(message)
        return len(found) >= count
    try:
        wait_for("records", seconds, more)
    except TimeoutError:
        pass
    return found


def rows(messages):
    return [(m.offset(), m.key(), m.value(), m.headers()) for m in messages]


def read_from(setting, name, offset, count, partition=0):
    source = consumer(setting)
    source.assign([TopicPartition(name, partition, offset)])
    try:
        return read(source, count)
    finally:
        source.close()


def end(setting, name, partition=0, where=None):
    source = consumer(setting, **({"bootstrap.servers": where} if where else {}))
    try:
        return source.get_watermark_offsets(TopicPartition(name, partition), 10)[1]
    finally:
        source.close()


class Member:
    """A group member in a thread of its own."""

    def __init__(self, setting, name, group, **more):
        self.assigned = set()
        self.rebalances = 0
        self.count = 0
        self.seen = set()
        self.failure = None
        self._stop = False
        self._source = consumer(setting, group, **more)
        self._source.subscribe([name], on_assign=self._note, on_revoke=self._note)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _note(self, _source, _partitions):
        self.rebalances += 1

    def _work(self):
        try:
            while not self._stop:
                message = self._source.poll(0.1)
                self.assigned = {part.partition for part in self._source.assignment()}
                if message is None:
                    continue
                if message.error():
                    if message.error().fatal():
                        raise KafkaException(message.error())
                    if message.error().code() in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
                        continue
                    raise KafkaException(message.error())
                self.count += 1
                self.seen.add((message.partition(), message.offset()))
                self._source.commit(message, asynchronous=False)
        except KafkaException as problem:
            self.failure = problem.args[0].name()
        self.assigned = set()
        if not self._abandoned:
            self._source.close()

    _abandoned = False

    def abandon(self):
        """For a member that is dead to the broker: leave the client where it is."""
        self._abandoned = True
        self.close()

    def close(self):
        self._stop = True
        self._thread.join(30)


def wait_sizes(first, count, second=None, other=0):
    wait_for("assignments of %d and %d" % (count, other), 40, lambda: len(first.assigned) == count
             and (second is None or len(second.assigned) == other))
