"""The event store met by plain Kafka clients: conditional appends by header, refusals, retries, reads.

Kafka has nothing of this, so leat is not compared with it. What must hold for every client is in MUST; what each client
makes of it (error names, texts) is recorded in golden/events.json, and shown in docs/event-store-kafka.md.
"""

import http.client
import json
import os
import time

# name -> what it shows. Every client has two categories of its own on both brokers: PREFIX with 4 partitions, PREFIXone with 1.
SCENARIOS = {
    "events-append": "append with no_stream, a revision, exists, any; conflicts; the same producer goes on",
    "events-batch": "one batch for three streams, two records at fault: nothing is stored",
    "events-refused": "no expectation, a bad one, another category's stream, the wrong partition",
    "events-idempotent": "an idempotent producer after a refusal, one at a time and with five in flight",
    "events-retry": "the answer of an append is lost and the client repeats it",
    "events-partitioner": "the default partitioner, and the one to set",
    "events-read": "events as records, with their headers",
    "events-admin": "deletion, partitions, records, settings: refused with the reason",
}

# What holds whatever the client. A fact that a driver does not print is not asked for; every driver prints its "count".
MUST = {
    "events-append": {"no_stream": "ok", "revision": "ok", "exists": "ok", "any": "ok", "afterwards": "ok", "count": 5},
    "events-batch": {"count": 0, "afterwards": "ok"},
    "events-refused": {"count": 0, "afterwards": "ok"},
    "events-idempotent": {"first": "ok", "next": "ok", "repeated": "ok", "after it": "ok", "count": 3,
                          "stored is what was told": True},
    "events-retry": {"with id.count": 2, "with id": "ok", "without id.count": 2, "any without id.count": 3},
    "events-partitioner": {"as advised": 20, "count": 20},
    "events-read": {"revisions": [0, 1, 2], "types": ["OrderPlaced", "OrderPaid", "OrderShipped"], "ids": ["e0", "e1", "e2"],
                    "keys": ["@one-read"] * 3},
    "events-admin": {"topic is there": True},
}


# @platformatic/kafka is a second client for Node; librdkafka is met by confluent-python and kcat.
CLIENTS = ("kafkajs", "confluent-python", "kcat", "java", "java-tools", "franz-go")


def category(client, run="e"):
    return client.replace("-", "") + "0" + run


def make_category(part, name, partitions):
    """On one leat, by its HTTP API; it may still be reading what its index lacks."""
    end = time.monotonic() + 30
    while True:
        link = http.client.HTTPConnection("127.0.0.1", part.http, timeout=20)
        link.request("PUT", "/api/v1/categories/" + name, json.dumps({"partitions": partitions}),
                     {"Content-Type": "application/json"})
        answer = link.getresponse()
        text = answer.read().decode()
        link.close()
        if answer.status in (200, 201):
            return
        if answer.status != 503 or time.monotonic() > end:
            raise RuntimeError("category %s: %d %s" % (name, answer.status, text))
        time.sleep(0.1)


def judge(client, scenario, outcome, recorded):
    """The list of what is wrong."""
    if outcome.error is not None:
        return [outcome.error]
    problems = []
    if outcome.not_applicable is None:
        if not outcome.complete:
            problems.append("it did not end")
        for name, value in MUST[scenario].items():
            found = outcome.facts.get(name, value if name in ("as advised",) else None)
            if found != value:
                problems.append("%s: must be %s, is %s" % (name, json.dumps(value), json.dumps(found)))
    told = outcome.as_json()
    if recorded is None:
        problems.append("no record of it; harness events --record")
    elif told != recorded:
        for name in sorted(set(told) | set(recorded)):
            if told.get(name) != recorded.get(name):
                problems.append("%s: recorded %s, now %s" % (name, json.dumps(recorded.get(name)), json.dumps(told.get(name))))
    return problems


def golden_path(folder):
    return os.path.join(folder, "events.json")


def load(folder):
    if not os.path.exists(golden_path(folder)):
        return {}
    with open(golden_path(folder), encoding="utf-8") as source:
        return json.load(source)


def save(folder, everything):
    with open(golden_path(folder), "w", encoding="utf-8") as out:
        json.dump(everything, out, indent=1, sort_keys=True, ensure_ascii=False)
        out.write("\n")
