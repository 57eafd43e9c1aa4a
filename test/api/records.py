"""Topics and records over HTTP: what goes in comes out, in every form; followers; keys that make a POST happen once."""
import base64
import http.client
import json
import socket
import threading
import time

from server import Client

JSON = {"Content-Type": "application/json"}


def post(client, topic, records, headers=None, query=""):
    return client.call("POST", f"/api/v1/topics/{topic}/records{query}", {"records": records}, headers)


def page(client, topic, query="", headers=None):
    return client.call("GET", f"/api/v1/topics/{topic}/records?{query}", None, headers)


def forms(count, client):
    """Every form of key, value and header comes back as it went in; what Kafka clients see is the bytes."""
    client.call("PUT", "/api/v1/topics/forms", {"partitions": 1})
    raw = bytes(range(256))
    sent = [
        {"key": "text", "value": {"b": 1, "a": [1.50, None, "é"]}},
        {"key": {"k": 1}, "value": "a string is JSON too"},
        {"value_string": "plain text"},
        {"key_base64": base64.b64encode(raw).decode(), "value_base64": base64.b64encode(raw).decode()},
        {"key": "tombstone", "value": None},
        {"value_string": "", "headers": {"a": "1", "none": None}},
        {"value": 12345678901234567890123, "headers": [{"name": "twice", "value": "1"}, {"name": "twice", "value_base64": base64.b64encode(raw).decode()}]},
        {"value": 1, "timestamp": "2026-02-11T14:00:00.123Z"},
        {"value": 2, "timestamp": 1770818400123},
    ]
    status, answer, _ = post(client, "forms", sent)
    offsets = [r["offset"] for r in answer.get("records", [])]
    count.show("records of every form are taken", status == 201 and offsets == list(range(len(sent))), answer)
    got = page(client, "forms")[1]["records"]
    text = client.raw("GET", "/api/v1/topics/forms/records?offset=6&limit=1")[2].decode()
    good = (got[0]["value"] == {"b": 1, "a": [1.5, None, "é"]} and got[0]["key"] == "text" and got[1]["key"] == '{"k": 1}'
            and got[1]["value"] == "a string is JSON too" and got[2]["value_string"] == "plain text" and got[2]["key"] is None
            and base64.b64decode(got[3]["value_base64"]) == raw and base64.b64decode(got[3]["key_base64"]) == raw
            and got[4]["value"] is None and "value_string" not in got[4] and got[5]["value_string"] == ""
            and got[5]["headers"] == [{"name": "a", "value": "1"}, {"name": "none", "value": None}]
            and base64.b64decode(got[6]["headers"][1]["value_base64"]) == raw and "12345678901234567890123" in text
            and got[7]["timestamp"] == got[8]["timestamp"] == "2026-02-11T14:00:00.123Z")
    count.show("and come back as they were", good, json.dumps(got)[:600])
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    post(client, "forms", [{"value": 1}, {"value": 2, "headers": {"traceparent": "own"}}], {"traceparent": trace})
    got = page(client, "forms", "offset=9")[1]["records"]
    count.show("a record carries the trace of its request, unless it has its own",
               got[0]["headers"] == [{"name": "traceparent", "value": trace}] and got[1]["headers"][0]["value"] == "own", got)


def lines(count, client):
    """JSON that came with line breaks is one line where lines count."""
    client.call("PUT", "/api/v1/topics/lines", {"partitions": 1})
    pretty = b'{"records":[{"value":{\n  "a": [1,\r\n 2],\n "b": "x\\ny"}},{"value":2}]}'
    client.call("POST", "/api/v1/topics/lines/records", pretty, JSON)
    text = client.raw("GET", "/api/v1/topics/lines/records", None, {"Accept": "application/x-ndjson"})[2]
    got = [json.loads(line)["value"] for line in text.splitlines()]
    count.show("pretty JSON is one line of NDJSON", got == [{"a": [1, 2], "b": "x\ny"}, 2], text)
    client.call("POST", "/api/v1/streams/lines-1/events", b'{"events":[{"type":"A","data":{\n "a":1\n},"meta":{\n"b":2}}]}', JSON)
    text = client.raw("GET", "/api/v1/streams/lines-1/events", None, {"Accept": "application/x-ndjson"})[2]
    got = [json.loads(line) for line in text.splitlines()]
    count.show("so are events", len(got) == 1 and got[0]["data"] == {"a": 1} and got[0]["meta"] == {"b": 2}, text)


def atomic(count, client):
    client.call("PUT", "/api/v1/topics/atomic", {"partitions": 4})
    mixed = [{"value": 1}, {"vlaue": 2}, {"value": 3, "partition": 9}, {"value_base64": "?"}, {"value": 4, "key": "k"}]
    status, answer, _ = post(client, "atomic", mixed)
    ends = [p["end_offset"] for p in client.call("GET", "/api/v1/topics/atomic")[1]["partitions"]]
    count.show("one bad record, and nothing is stored", status == 400 and "records[1]: vlaue" in answer["detail"] and ends == [0, 0, 0, 0], answer)
    status, answer, _ = post(client, "atomic", mixed, query="?atomic=false")
    good = status == 200 and answer["errors"] == 3 and [("error" in r) for r in answer["records"]] == [False, True, True, True, False]
    count.show("atomic=false: the good ones are, each of the others with its reason", good, answer)
    lines = b"".join(json.dumps({"key": str(i), "value": i}).encode() + b"\n" for i in range(5000))
    status, answer, _ = client.call("POST", "/api/v1/topics/atomic/records", lines, {"Content-Type": "application/x-ndjson"})
    places = {(r["partition"], r["offset"]) for r in answer["records"]}
    count.show("5,000 lines of NDJSON are 5,000 records", status == 201 and len(places) == 5000, str(answer)[:300])
    status, answer, _ = client.call("POST", "/api/v1/topics/atomic/records", b'{"value":1}\n\n{"value":\n', {"Content-Type": "application/x-ndjson"})
    count.show("a bad line is named", status == 400 and "line 3" in answer["detail"], answer)
    seen = []
    for partition in range(4):
        text = client.raw("GET", f"/api/v1/topics/atomic/records?partition={partition}", None, {"Accept": "application/x-ndjson"})[2]
        seen += [json.loads(line) for line in text.splitlines()]
    by_key = [r for r in seen if r["key"] not in (None, "k")]
    count.show("read as NDJSON, each key once", len(by_key) == 5000 and all(str(r["value"]) == r["key"] for r in by_key), len(by_key))


def refusals(count, client):
    cases = [("es.order", "topic-guarded", 403), ("__leat_streams", "topic-internal", 403), ("nobody", "topic-not-found", 404)]
    for topic, code, status in cases:
        got = post(client, topic, [{"value": 1}])
        count.show(f"a plain record for {topic} is refused", got[0] == status and got[1]["code"] == code, got[1])
    got = page(client, "forms", "offset=1000")
    count.show("an offset beyond the end names the bounds", got[0] == 416 and got[1]["end_offset"] == 11 and got[1]["start_offset"] == 0, got[1])
    got = post(client, "forms", [{"value_string": "x" * 1048576}])
    count.show("a record over max.message.bytes", got[0] == 413 and got[1]["code"] == "batch-too-large", str(got[1])[:300])
    body = b'{"records":[{"value_string":"' + b"x" * (16 * 1024 * 1024) + b'"}]}'
    got = [client.call("POST", "/api/v1/topics/forms/records", body, JSON)[:2] for _ in range(5)]  # read when all is sent
    count.show("a body over leat.http.body.max.bytes", all(status == 413 and answer["code"] == "body-too-large" for status, answer in got), got)
    names = []
    query = "limit=2"
    while True:
        answer = client.call("GET", "/api/v1/topics?" + query)[1]
        names += [t["name"] for t in answer["topics"]]
        if "next_cursor" not in answer:
            break
        query = "limit=2&cursor=" + answer["next_cursor"]
    whole = [t["name"] for t in client.call("GET", "/api/v1/topics")[1]["topics"]]
    count.show("pages of topics are the list", names == whole == sorted(names) and len(names) > 4, names)
    got = client.call("GET", "/api/v1/topics?cursor=00000000ff")
    count.show("a cursor that is not ours is refused", got[0] == 400 and "cursor" in got[1]["detail"], got[1])


class Events:
    """Server-sent events as they come."""

    def __init__(self, server, path, headers=None):
        host, port = server.http.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=10)
        self.connection.request("GET", path, None, {"Accept": "text/event-stream", **(headers or {})})
        self.answer = self.connection.getresponse()

    def next(self):
        event = {}
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            if not line:
                if event:
                    return event
                if self.answer.isclosed():
                    return None
                continue
            if line.startswith(":"):
                continue
            name, _, value = line.partition(": ")
            event[name] = event[name] + "\n" + value if name in event else value

    def close(self):
        self.connection.close()


def follow(count, server, client):
    client.call("PUT", "/api/v1/topics/follow", {"partitions": 1})
    post(client, "follow", [{"value": i} for i in range(3)])
    events = Events(server, "/api/v1/topics/follow/records")
    got = [events.next() for _ in range(4)]
    count.show("a follower catches up", [e.get("event") for e in got] == ["record"] * 3 + ["caught_up"] and [e.get("id") for e in got[:3]] == ["0", "1", "2"], got)
    post(client, "follow", [{"value": 3}])
    got = events.next()
    count.show("and follows", got["id"] == "3" and json.loads(got["data"])["value"] == 3, got)
    events.close()
    events = Events(server, "/api/v1/topics/follow/records", {"Last-Event-ID": "1"})
    got = events.next()
    count.show("Last-Event-ID goes on where it was", got["id"] == "2", got)
    events.close()
    result = {}

    def poll():
        result["got"] = page(Client(server), "follow", "offset=latest&wait=20s")
        result["at"] = time.monotonic()
    thread = threading.Thread(target=poll)
    thread.start()
    time.sleep(0.3)
    sent = time.monotonic()
    post(client, "follow", [{"value": "poll"}])
    thread.join()
    good = [r["value"] for r in result["got"][1]["records"]] == ["poll"] and result["at"] - sent < 5
    count.show("a long poll is answered when there is something", good, result)
    started = time.monotonic()
    got = page(client, "follow", "offset=latest&wait=300ms")
    count.show("or when its time is over", got[0] == 200 and got[1]["records"] == [] and 0.25 < time.monotonic() - started < 5, got)


def slow_reader(count, server, client):
    """A follower that reads nothing holds little of the server, and loses nothing."""
    client.call("PUT", "/api/v1/topics/slow", {"partitions": 1})
    for _ in range(30):
        post(client, "slow", [{"value_string": "x" * 100000} for _ in range(9)])
    host, port = server.http.rsplit(":", 1)
    slow = socket.create_connection((host, int(port)))
    slow.sendall(b"GET /api/v1/topics/slow/records HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n")
    time.sleep(0.5)
    others = time.monotonic()
    good = page(client, "slow", "limit=1")[0] == 200 and time.monotonic() - others < 2
    slow.settimeout(20)
    data = b""
    while not data.endswith(b"\r\n0\r\n\r\n"):
        more = slow.recv(1 << 20)
        if not more:
            break
        data += more
    slow.close()
    count.show("a slow reader gets all of it, and the others do not wait", good and data.count(b'"offset":') == 270 and data.endswith(b"0\r\n\r\n"), data.count(b'"offset":'))


def ready(count, server):
    """Whoever was told by /readyz that clients are served is served: an append, one with a key, projections."""
    bad, early = [], 0
    client = Client(server)
    for n in range(20):  # what the index lacks after a kill takes a moment
        client.append(f"lacking-{n}", [{"type": "A", "data": "x" * 500} for _ in range(1000)])
    client.close()
    for n in range(3):
        server.kill()
        server.begin()
        client, ends = Client(server), time.monotonic() + 20
        while (told := client.raw("GET", "/readyz"))[0] != 200 and time.monotonic() < ends:
            early += told[2].startswith(b"not ready: the event store is starting")
        got = [client.append("ready-1", [{"type": "A", "data": n}])[0], client.append("ready-1", [{"type": "B", "data": n}], headers={"Idempotency-Key": f"ready-{n}"})[0],
               client.call("GET", "/api/v1/projections")[0]]
        bad += [] if (told[0], got) == (200, [201, 201, 200]) else [(told, got)]
        client.close()
    count.show("/readyz says 200 only when the API is served, too", not bad, bad)
    print(f"asked {early} times while the event store started")


def keys(count, server, client):
    """The same request again under a key: its answer again, and nothing happens. Also after a kill."""
    client.call("PUT", "/api/v1/topics/keys", {"partitions": 3})
    records = [{"key": str(i), "value": i} for i in range(20)]
    first = post(client, "keys", records, {"Idempotency-Key": "one"})
    post(client, "keys", records)
    again = post(client, "keys", records, {"Idempotency-Key": "one"})
    count.show("the same request again gets its answer", first[0] == again[0] == 201 and first[1] == again[1] and again[2].get("idempotency-replayed") == "true"
               and "idempotency-replayed" not in first[2], again[1])
    got = post(client, "keys", records[:3], {"Idempotency-Key": "one"})
    count.show("another body under the key is refused", got[0] == 422 and got[1]["code"] == "idempotency-mismatch", got[1])
    got = post(client, "keys", records, {"Idempotency-Key": "one"}, "?atomic=false")
    count.show("so is another query", got[0] == 422, got[1])
    got = post(client, "keys", [{"valeu": 1}], {"Idempotency-Key": "two"})
    fixed = post(client, "keys", [{"value": 1}], {"Idempotency-Key": "two"})
    count.show("a request that was refused leaves its key free", got[0] == 400 and fixed[0] == 201, (got[1], fixed[1]))
    for key in ("", "x" * 256, "a b"):
        got = post(client, "keys", [{"value": 1}], {"Idempotency-Key": key})
        count.show(f"a key of {len(key)} characters that is none is refused", got[0] == 400 and got[1]["code"] == "invalid-request", got[1])
    event = client.append("keyed-1", [{"type": "A", "data": 1}], headers={"Idempotency-Key": "event"})
    twice = client.append("keyed-1", [{"type": "A", "data": 1}], headers={"Idempotency-Key": "event"})
    count.show("an append to a stream happens once too", event[0] == twice[0] == 201 and event[1] == twice[1] and twice[2]["etag"] == '"r0"', twice[1])
    client.close()
    server.kill()
    server.start()
    client = Client(server)
    again, ends = None, time.monotonic() + 20
    while again is None or again[0] == 503 and time.monotonic() < ends:  # the keys are being read
        again = post(client, "keys", records, {"Idempotency-Key": "one"})
    twice = client.append("keyed-1", [{"type": "A", "data": 1}], headers={"Idempotency-Key": "event"})
    count.show("and after a kill", first[1]["records"] == again[1]["records"] and again[2].get("idempotency-replayed") == "true"
               and twice[1]["last_revision"] == 0 and twice[2].get("idempotency-replayed") == "true", (again[1], twice[1]))
    ends = sum(p["end_offset"] for p in client.call("GET", "/api/v1/topics/keys")[1]["partitions"])
    events = client.events("keyed-1")
    count.show("nothing happened twice", ends == 41 and len(events) == 1, (ends, events))


def same_key_at_once(count, server):
    """Many at once under one key: one happens; the others get its answer, or are told to wait."""
    client = Client(server)
    client.call("PUT", "/api/v1/topics/race", {"partitions": 1})
    answers = []

    def one():
        mine = Client(server)
        for _ in range(20):
            got = post(mine, "race", [{"value": "once"}], {"Idempotency-Key": "race"})
            answers.append(got)
    threads = [threading.Thread(target=one) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    statuses = {a[0] for a in answers}
    offsets = {json.dumps(a[1]) for a in answers if a[0] == 201}
    end = client.call("GET", "/api/v1/topics/race")[1]["partitions"][0]["end_offset"]
    count.show("160 requests at once under one key are one", end == 1 and len(offsets) == 1 and statuses <= {201, 409}, (end, offsets, statuses))


def full(count, server):
    """When no more keys can be kept, further ones are refused; requests without one go on."""
    client = Client(server)
    got = (201,)
    for i in range(400):
        got = post(client, "race", [{"value": "x", "headers": {"h": "v"}}] * 50, {"Idempotency-Key": f"full-{i}"})
        if got[0] != 201:
            break
    free = post(client, "race", [{"value": "x"}])
    count.show("a full table of keys is told", got[0] == 429 and got[1]["code"] == "idempotency-full" and "retry-after" in got[2] and free[0] == 201, got[:2])


def run(count, server):
    client = Client(server)
    forms(count, client)
    lines(count, client)
    atomic(count, client)
    refusals(count, client)
    follow(count, server, client)
    slow_reader(count, server, client)
    keys(count, server, client)
    ready(count, server)
    same_key_at_once(count, server)
    full(count, server)
