"""The event store met by kcat: see harness/events.py for what each scenario shows. One process appends one event."""

import json
import subprocess

from pydriver import NotApplicable


def kcat(setting, *arguments, feed=None):
    return subprocess.run(["kcat", "-b", setting.bootstrap, "-m", "10", *arguments], input=feed, capture_output=True,
                          timeout=40, check=False)


def append(setting, topic, stream, expected=None, *more, ident=None, kind="OrderPlaced"):
    """"ok", or [the exit status, what kcat says]."""
    headers = ["-H", "ce_type=" + kind]
    headers += ["-H", "leat-expected-version=%s" % expected] if expected is not None else []
    headers += ["-H", "ce_id=" + ident] if ident is not None else []
    done = kcat(setting, "-P", "-t", topic, "-K", ":", *headers, *more, feed=b'%s:{"n":1}\n' % stream.encode())
    said = done.stderr.decode().strip()
    return "ok" if done.returncode == 0 and not said else [done.returncode, said]


def count(setting, topic):
    done = kcat(setting, "-C", "-t", topic, "-e", "-q", "-f", "%o\n")
    return len(done.stdout.splitlines())


ADVISED = ("-X", "partitioner=murmur2_random")


def appending(setting, facts):
    topic, stream = "es.%sone" % setting.prefix, setting.prefix + "one-append"
    before = count(setting, topic)
    for name, expected in (("no_stream", "no_stream"), ("revision", 0), ("exists", "exists"), ("any", "any"),
                           ("no_stream again", "no_stream"), ("wrong revision", 7), ("afterwards", 3)):
        facts.fact(name, append(setting, topic, stream, expected))
    facts.fact("exists, of none", append(setting, topic, stream + "-none", "exists"))
    facts.fact("count", count(setting, topic) - before)


def refused(setting, facts):
    topic, stream = "es." + setting.prefix, setting.prefix + "-refused"
    facts.fact("no expectation", append(setting, topic, stream, None, *ADVISED))
    facts.fact("bad expectation", append(setting, topic, stream, "-1", *ADVISED))
    facts.fact("other category", append(setting, topic, "other-1", "any", *ADVISED))
    facts.fact("partitions 0 to 3", [append(setting, topic, stream, "exists", "-p", str(number)) for number in range(4)])
    facts.fact("count", count(setting, topic))
    facts.fact("afterwards", append(setting, topic, stream, "no_stream", *ADVISED))


def partitioner(setting, facts):
    topic = "es." + setting.prefix
    before = count(setting, topic)
    for name, more in (("by default", ()), ("as advised", ADVISED)):
        good = sum(append(setting, topic, "%s-part%s-%d" % (setting.prefix, name[:2], number), "no_stream", *more) == "ok"
                   for number in range(20))
        facts.fact(name, good)
        before += good if name == "by default" else 0
    facts.fact("count", count(setting, topic) - before)


def reading(setting, facts):
    topic, stream = "es.%sone" % setting.prefix, setting.prefix + "one-read"
    begin = count(setting, topic)
    for number, kind in enumerate(("OrderPlaced", "OrderPaid", "OrderShipped")):
        append(setting, topic, stream, number - 1 if number else "no_stream", kind=kind, ident="e%d" % number)
    done = kcat(setting, "-C", "-t", topic, "-o", str(begin), "-e", "-q", "-J")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    headers = [dict(zip(each["headers"][::2], each["headers"][1::2])) for each in found]
    facts.fact("keys", [each["key"] for each in found])
    facts.fact("revisions", [int(each["leat-revision"]) for each in headers])
    facts.fact("ids", [each["ce_id"] for each in headers])
    facts.fact("types", [each["ce_type"] for each in headers])
    facts.fact("headers", list(headers[0]))


def nothing(why):
    def refuse(_setting, _facts):
        raise NotApplicable(why)
    return refuse


SCENARIOS = {
    "events-append": appending,
    "events-batch": nothing("kcat gives all records of one run the same headers"),
    "events-refused": refused,
    "events-idempotent": nothing("one run of kcat appends with one expectation, and then ends"),
    "events-retry": nothing("kcat gives up when its only broker closes the connection"),
    "events-partitioner": partitioner,
    "events-read": reading,
    "events-admin": nothing("kcat has no command to administrate topics"),
}
