"""The tables of docs/event-store-kafka.md: each cell is a fact of golden/events.json, which a test compares with what is seen."""

from events import CLIENTS

NAMES = {"kafkajs": "kafkajs 2.2.4", "confluent-python": "librdkafka 2.12.1 (confluent-kafka-python)",
         "kcat": "librdkafka 2.0.2 (kcat)", "java": "Java 4.3.1", "java-tools": "Kafka's tools 4.3.1", "franz-go": "franz-go 1.22.2"}


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def name_of(told):
    """ok, or the error's name."""
    return told if isinstance(told, str) else told[0] if isinstance(told[0], str) else told[-1]


def all_ok(facts, *names):
    return "yes" if all(facts[name] == "ok" for name in names) else "no"


def batch(facts):
    if "send" in facts:
        return "one `%s` for the whole `send`" % name_of(facts["send"])
    told = [name_of(each) for each in facts["records"]]
    if len(set(told)) == 1:
        return "`%s` for all four" % told[0]
    return "`%s` for those at fault, `%s` for the others" % (told[2], told[0])


def flight(facts):
    told = facts["ten in flight, the fourth refused"]
    good = told.count("ok")
    return "9 stored, it goes on" if good == 9 else "%d stored; the refusal fails all that wait for the partition" % good


def lost(facts, name):
    stored = facts[name + ".count"] - 1
    told = "ok" if facts[name] == "ok" else "`%s`" % name_of(facts[name])
    return "%s; the event is there %s" % (told, {1: "once", 2: "**twice**"}.get(stored, "%d times" % stored))


ROWS = (
    ("append with `no_stream`, a revision, `exists`, `any`", "events-append", lambda f: all_ok(f, "no_stream", "revision", "exists", "any")),
    ("a conflict", "events-append", lambda f: "`%s`" % name_of(f["wrong revision"]) if isinstance(f["wrong revision"][0], str)
     else "exit status %d" % f["wrong revision"][0]),
    ("the same producer goes on after it", "events-append", lambda f: all_ok(f, "afterwards")),
    ("four records in a batch, two at fault; nothing is stored", "events-batch", batch),
    ("idempotent: goes on after a refusal, no new producer", "events-idempotent", lambda f: all_ok(f, "next")),
    ("idempotent: repeats an event by its `ce_id`, then goes on", "events-idempotent", lambda f: all_ok(f, "repeated", "after it")),
    ("idempotent: ten batches in flight, the fourth refused", "events-idempotent", flight),
    ("answer lost, with `ce_id`", "events-retry", lambda f: lost(f, "with id")),
    ("answer lost, a revision, no `ce_id`", "events-retry", lambda f: lost(f, "without id")),
    ("answer lost, `any`, no `ce_id`", "events-retry", lambda f: lost(f, "any without id")),
    ("answer lost, idempotent, no `ce_id`", "events-retry", lambda f: lost(f, "idempotent, without id")),
    ("default partitioner: streams of 20 that it puts right", "events-partitioner", lambda f: f["by default"]),
    ("the advised partitioner: of 20", "events-partitioner", lambda f: f["as advised"]),
    ("reads events with `leat-revision` and the `ce_` headers", "events-read", lambda f: "yes" if f["revisions"] == [0, 1, 2] else "no"),
)

TEXTS = (("a conflict", "events-append", "wrong revision"), ("no expectation", "events-refused", "no expectation"),
         ("wrong partition", "events-refused", "partitions 0 to 3"), ("create a topic `es.other`", "events-admin", "create topic"),
         ("delete the topic", "events-admin", "delete topic"),
         ("add partitions", "events-admin", "add partitions"), ("delete records", "events-admin", "delete records"),
         ("alter `retention.ms`", "events-admin", "retention.ms"), ("alter `max.message.bytes`", "events-admin", "max.message.bytes"))


def text_of(told):
    if told == "ok":
        return "ok"
    if isinstance(told[0], list):  # of four partitions, one is right
        told = next(each for each in told if "partition" in each[-1]) if any("partition" in each[-1] for each in told) else told[0]
    parts = [str(each) for each in told if each != "" and not str(each).isdigit()]
    parts = parts[1:] if len(parts) > 1 and parts[1].startswith(parts[0]) else parts
    return ": ".join(parts)


def generate(recorded):
    clients = [client for client in CLIENTS if client in recorded and client != "java-tools"]
    lines = ["", "### What each client makes of it", "", "| | " + " | ".join(NAMES[client] for client in clients) + " |",
             "|---|" + "---|" * len(clients)]
    reasons = []
    for title, scenario, show in ROWS:
        row = []
        for client in clients:
            facts = recorded[client][scenario]
            if "n/a" in facts:
                reason = "%s: %s." % (client, facts["n/a"])
                if reason not in reasons:
                    reasons.append(reason)
                row.append("(%d)" % (reasons.index(reason) + 1))
            else:
                row.append(cell(show(facts)))
        lines.append("| %s | %s |" % (title, " | ".join(row)))
    lines += ["", *("%d. %s" % (number, reason) for number, reason in enumerate(reasons, 1))]
    lines += ["", "### What an application reads", "", "`@` stands for the name of a category.", "", "| what was tried | client | text |", "|---|---|---|"]
    for title, scenario, fact in TEXTS:
        for client in CLIENTS:
            told = recorded[client][scenario].get(fact)
            if told is not None:
                lines.append("| %s | %s | %s |" % (title, client, cell(text_of(told))))
    lines.append("")
    return "\n".join(lines)
