"""Events in every form that HTTP takes: native, CloudEvents (structured, batch, binary), a team's envelope; and what is filled in; the
same from a Kafka client."""
import json
import subprocess

from server import Client

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = "00-12345678901234567890123456789012-1234567890123456-01"
CLOUD = {"specversion": "1.0", "id": "c1", "source": "/orders", "type": "Placed.v2", "time": "2026-02-11T15:00:00.5+01:00",
         "subject": "s", "shard": 7, "data": {"n": 1}}
TEAM = {"eventId": "t1", "eventType": "Placed", "schemaVersion": 3, "timestamp": 1770818400123, "correlationId": "k",
        "payload": {"n": 2}, "metadata": {"userId": "u", "tenantId": "acme"}}


def has(found, **wanted):
    return all(found.get(k) == v for k, v in wanted.items())


def without(e, *names):
    return {k: v for k, v in e.items() if k not in ("stream", "revision", "position", *names)}


def copies(count, client, found):
    """What is read in another form and appended to another stream says the same there."""
    for form, kind, wrap in (("cloudevents", "application/cloudevents-batch+json", lambda events: events),
                             ("envelope", "application/json", lambda events: {"events": events})):
        page = client.call("GET", f"/api/v1/streams/forms-1/events?form={form}")[1]["events"]
        one = client.call("GET", f"/api/v1/streams/forms-1/events/2?form={form}")[1]
        lines = client.raw("GET", f"/api/v1/streams/forms-1/events?form={form}", headers={"Accept": "application/x-ndjson"})[2].splitlines()
        live = client.call("GET", f"/api/v1/subscriptions/live?stream=forms-1&from=start&wait=1s&form={form}")[1]["events"]
        count.show(f"the same in pages, alone, as lines, live ({form})", page[2] == one and [json.loads(x) for x in lines] == page == live, one)
        sent = client.call("POST", f"/api/v1/streams/{form}-1/events", json.dumps(wrap([without(e) for e in page])), {"Content-Type": kind})
        again = client.events(f"{form}-1")
        count.show(f"copied as {form}", sent[0] == 201 and [without(e) for e in again] == [without(e) for e in found], (sent, again, page))
    got = client.call("GET", "/api/v1/events?form=xml")
    count.show("a form that is none", got[0] == 400 and got[1]["detail"] == "form: must be native, cloudevents or envelope", got)


def run(count, server):
    client = Client(server)
    path = "/api/v1/streams/forms-1/events"
    trace = {"traceparent": TRACE, "tracestate": "a=1"}

    def post(kind, body, headers):
        return client.call("POST", path, body if isinstance(body, str) else json.dumps(body), {"Content-Type": kind, **headers})

    answers = [
        post("application/json", {"events": [{"id": "n1", "type": "Placed", "data": {"n": 0}}, TEAM]}, trace),
        post("application/cloudevents+json", CLOUD, {"traceparent": "00-" + "0" * 32 + "-1234567890123456-01"}),
        post("application/cloudevents-batch+json", [dict(CLOUD, id="c2", traceparent=OTHER), dict(CLOUD, id="c3")], trace),
        post("text/plain", "hello", {"ce-specversion": "1.0", "ce-id": "b1", "ce-type": "Said", "ce-source": "/chat",
                                     "ce-subject": "Euro%20%E2%82%AC", "ce-room": "7", **trace}),
    ]
    count.show("every form is taken", [a[0] for a in answers] == [201] * 4, answers)
    found = client.events("forms-1") or [{}] * 6
    native, team, one, two, three, said = found
    count.show("native: what is absent is filled in", has(native, id="n1", correlation_id="n1", subject="forms-1", traceparent=TRACE,
               tracestate="a=1", source="/leat/streams/forms-1", content_type="application/json") and native["time"].endswith("Z"), native)
    count.show("a team's envelope", has(team, id="t1", type="Placed", version="3", time="2026-02-11T14:00:00.123Z", correlation_id="k",
               tenant="acme", data={"n": 2}, extensions={"userId": "u"}, traceparent=TRACE), team)
    count.show("structured CloudEvent; a trace that is none is none", has(one, id="c1", version="2", time="2026-02-11T14:00:00.500Z",
               source="/orders", subject="s", extensions={"shard": "7"}, data={"n": 1}) and "traceparent" not in one, one)
    count.show("batch: an event's own trace counts before the request's", has(two, id="c2", traceparent=OTHER) and
               "tracestate" not in two and has(three, id="c3", traceparent=TRACE), (two, three))
    count.show("binary CloudEvent", has(said, id="b1", type="Said", source="/chat", subject="Euro \u20ac", extensions={"room": "7"},
               content_type="text/plain", data_base64="aGVsbG8=", traceparent=TRACE), said)
    copies(count, client, found)
    status, body, _ = post("application/cloudevents-batch+json", [CLOUD, dict(CLOUD, time=7)], {})
    count.show("a batch with one that is malformed: its place and field", status == 400 and "batch[1].time" in body["detail"], (status, body))
    client.close()
    from_kafka(count, server)


def produce(server, stream, value, *headers):
    """By a Kafka client; was it stored?"""
    told = subprocess.run([server.binary, "produce", "es.forms", "-b", server.kafka, "-k", stream, *(x for h in headers for x in ("-H", h))],
                          input=value + b"\n", capture_output=True, timeout=30, check=False)
    return told.returncode == 0


def from_kafka(count, server):
    client = Client(server)
    stream, meant = "forms-k", ["leat-expected-version=any"]
    bad = ["ce_time=yesterday", "ce_specversion=0.3", "leat-meta=oops", 'leat-meta={},"revision":9', "ce_id=", "content-type=application/json"]
    count.show("from Kafka: what no reader could read is refused", not any(produce(server, stream, b"plain", *meant, "ce_type=Paid", h) for h in bad) and
               client.call("GET", f"/api/v1/streams/{stream}")[0] == 404)
    stored = produce(server, stream, b'{"n": 1}', *meant, "CE_Type=Paid.v2", "Ce_Id=k1", 'Leat-Meta={"by": "me"}', "LEAT-TAG=red", "own=1")
    found = (client.events(stream) or [{}])[0] if stored else {}
    count.show("from Kafka: what is absent is filled in, names in any case", has(found, id="k1", type="Paid.v2", version="2", correlation_id="k1",
               subject=stream, source=f"/leat/streams/{stream}", content_type="application/json", meta={"by": "me"}, tags=["red"], data={"n": 1})
               and "metadata_error" not in found, found)
    found = client.call("GET", "/api/v1/events?type=Paid.v2&tag=red")[1]["events"]
    count.show("from Kafka: found by type and tag", [e["id"] for e in found] == ["k1"], found)
    client.close()
