"""Conditions, several streams at once, tag queries, limits, and many writers on the same streams and tags."""
import json
import subprocess
import threading

import linear
import register as registers
from server import Client, event

WRITERS = 40


def conditions(count, server):
    client = Client(server)
    path = "/api/v1/streams/cond-1/events"
    status, body, headers = client.append("cond-1", [event("a", "Begun")], headers={"If-None-Match": "*"})
    count.show("If-None-Match: * makes a stream", status == 201 and headers.get("etag") == '"r0"' and body["last_revision"] == 0,
               (status, body, headers))
    count.show("Location names the event", client.call("GET", headers.get("location", "/"))[1].get("id") == "a", headers)
    status, body, headers = client.append("cond-1", [event("b")], headers={"If-None-Match": "*"})
    count.show("If-None-Match: * on a stream that is there: 412", status == 412 and body["code"] == "revision-conflict" and
               headers.get("etag") == '"r0"' and body["actual"] == 0, (status, body, headers))
    status, body, _ = client.append("cond-1", [event("b")], headers={"If-Match": '"r7"'})
    count.show("If-Match with a wrong revision: 412", status == 412 and body["expected"] == 7 and body["retryable"] is True, (status, body))
    status, body, headers = client.append("cond-1", [event("b")], headers={"If-Match": '"r0"', "Prefer": "durability=os"})
    count.show("If-Match with the right one; durability is not weakened",
               status == 201 and headers.get("preference-applied") == "durability=fsync", (status, body, headers))
    status, body, _ = client.append("cond-1", [event("c")], 0)
    count.show("expected in the body: 409", status == 409 and body["code"] == "revision-conflict" and body["actual"] == 1, (status, body))
    status, body, _ = client.append("cond-2", [event("c")], "exists")
    count.show("exists, but there is none: 409", status == 409 and body["actual"] == "no_stream", (status, body))
    told = subprocess.run([server.binary, "stream", "append", "cond-1", "T", "1", "--expected", "7", "--http", server.http],
                          capture_output=True, text=True, timeout=20, check=False)
    count.show("the command line says what was expected and what is there", told.returncode != 0 and
               "is at revision 1, expected was 7" in told.stderr, told)
    told = subprocess.run([server.binary, "stream", "append", "cond-2", "T", "1", "--expected", "exists", "--http", server.http],
                          capture_output=True, text=True, timeout=20, check=False)
    count.show("also of a stream that is not there", told.returncode != 0 and "has no events, expected was exists" in told.stderr, told)
    status, body, _ = client.append("cond-1", [event("c")], 1, {"If-Match": '"r1"'})
    count.show("two expectations at once are refused", status == 400 and "more than one" in body["detail"], (status, body))
    lines = "\n".join(json.dumps(event(f"l{i}")) for i in range(5)) + "\n"
    status, body, _ = client.call("POST", path + "?expected=1", lines, {"Content-Type": "application/x-ndjson"})
    count.show("NDJSON is appended, under a condition in the address", status == 201 and body["last_revision"] == 6, (status, body))
    cloud = {"specversion": "1.0", "id": "ce1", "type": "com.example.Paid", "source": "/pay", "data": {"amount": 5}, "subject": "s"}
    status, body, _ = client.call("POST", path, json.dumps(cloud), {"Content-Type": "application/cloudevents+json"})
    got = client.call("GET", path + "/7")[1]
    count.show("a structured CloudEvent", status == 201 and got["source"] == "/pay" and got["data"] == {"amount": 5}, (status, body, got))
    status, body, _ = client.call("POST", path, json.dumps([dict(cloud, id="ce2"), dict(cloud, id="ce3")]),
                                  {"Content-Type": "application/cloudevents-batch+json"})
    count.show("a batch of CloudEvents", status == 201 and body["last_revision"] == 9, (status, body))
    status, body, _ = client.call("POST", path, b"\x00\xffbytes", {"Content-Type": "application/octet-stream", "ce-id": "ce4",
                                                                     "ce-type": "Raw", "ce-source": "/x", "ce-specversion": "1.0"})
    got = client.call("GET", path + "/10")[1]
    count.show("one event in binary mode, not JSON", status == 201 and got.get("data_base64") == "AP9ieXRlcw==", (status, body, got))
    client.close()


def refusals(count, server):
    client = Client(server)
    path = "/api/v1/streams/refuse-1/events"
    cases = [
        ("no JSON", "{", "application/json", 400, "line 1"),
        ("no events", "{}", "application/json", 400, "events"),
        ("an event without a type", '{"events":[{"data":1}]}', "application/json", 400, "events[0].type"),
        ("a wrong expectation", '{"expected":-2,"events":[{"type":"T","data":1}]}', "application/json", 400, "expected"),
        ("a wrong time", '{"events":[{"type":"T","data":1,"time":"yesterday"}]}', "application/json", 400, "time"),
        ("a wrong traceparent", '{"events":[{"type":"T","data":1,"traceparent":"00-0-0-0"}]}', "application/json", 400, "traceparent"),
        ("tags that are no texts", '{"events":[{"type":"T","data":1,"tags":[7]}]}', "application/json", 400, "tags"),
        ("a wrong line", '{"type":"T","data":1}\n{"type":7}\n', "application/x-ndjson", 400, "line 2"),
        ("the same name twice", '{"events":[{"type":"T","type":"U","data":1}]}', "application/json", 400, "type"),
    ]
    for name, body, kind, wanted, word in cases:
        status, answer, headers = client.call("POST", path, body, {"Content-Type": kind})
        count.show(f"refused by name: {name}", status == wanted and word in answer["detail"] and
                   headers["content-type"] == "application/problem+json", (status, answer))
    status, body, _ = client.append("refuse-1", [event("big", data={"x": "y" * (2 << 20)})])
    count.show("an event that is too large: both sizes", status == 413 and body["code"] == "event-too-large", (status, str(body)[:300]))
    status, body, _ = client.append("x" * 300 + "-1", [event("a")])
    count.show("a name that is too long", status == 400, (status, body))
    count.show("nothing of all that is there", client.events("refuse-1") is None)
    client.close()


def largest(count, server):
    """An event of all the bytes that it may have."""
    client = Client(server)
    status, body, _ = client.append("small-large", [{"type": "T", "data": "y" * ((1 << 20) - 100)}])
    count.show("the largest event is taken", status == 201, (status, str(body)[:300]))
    for name, path in (("alone", "/api/v1/streams/small-large/events/0"), ("of its stream", "/api/v1/streams/small-large/events"),
                       ("of all", "/api/v1/events?dir=back&limit=1")):
        status, body, _ = client.call("GET", path)
        body = body["events"][0] if "events" in body else body
        count.show(f"and read, {name}", status == 200 and len(body.get("data", "")) == (1 << 20) - 100, (status, str(body)[:300]))
    client.close()


def many_small(count, server, most=10000):
    """As many events as an append may have, of a few bytes each, in every form."""
    client = Client(server)
    path, last = "/api/v1/streams/small-1/events", -1
    one = {"type": "T", "data": 1}
    cloud = [{"specversion": "1.0", "id": f"c{i}", "source": "/", "type": "T"} for i in range(most)]
    forms = [("application/json", {"events": [one] * most}), ("application/x-ndjson", (json.dumps(one) + "\n") * most),
             ("application/cloudevents-batch+json", cloud)]
    for kind, body in forms:
        last += most
        status, answer, _ = client.call("POST", path, body if isinstance(body, str) else json.dumps(body), {"Content-Type": kind})
        count.show(f"{most} small events in one append: {kind}", status == 201 and answer["last_revision"] == last, (status, answer))
    records = [dict(one, stream=f"small-{i % 500 + 2}") for i in range(most)]
    status, body, _ = client.call("POST", "/api/v1/append", {"records": records})
    count.show(f"{most} small events to 500 streams", status == 201 and len(body["streams"]) == 500 and
               body["streams"][499]["last_revision"] == most // 500 - 1, (status, str(body)[:300]))
    ends = [client.call("GET", f"{path}/{revision}")[1].get("id") for revision in (last - most + 1, last)]
    found = [client.call("GET", f"{path}?from={at}&limit=3")[1] for at in (most - 2, last - 1)]
    count.show("they are read again, also across the batches", ends == ["c0", f"c{most - 1}"] and
               [len(page["events"]) for page in found] == [3, 2], (ends, found))
    status, body, _ = client.append("small-1", [one] * (most + 1))
    count.show("one more is refused", status == 413 and body["code"] == "batch-too-large" and f"{most + 1} events" in body["detail"], (status, body))
    client.close()


def several(count, server):
    client = Client(server)

    def append(records, checks):
        return client.call("POST", "/api/v1/append", {"records": records, "checks": checks})
    status, body, _ = append([event("m1", stream="multi-a"), event("m2", stream="multib-b"), event("m3", stream="multi-a")],
                             [{"stream": "multi-a", "expected": "no_stream"}])
    count.show("two streams of two categories in one step", status == 201 and len(body["streams"]) == 2 and
               body["streams"][0]["last_revision"] == 1, (status, body))
    status, body, _ = append([event("m4", stream="multi-a")], [{"stream": "multi-a", "expected": 5}, {"stream": "multi-z", "expected": "exists"},
                                                              {"stream": "multib-b", "expected": 0}])
    found = [(v["check"], v["actual"]) for v in body.get("violations", [])]
    count.show("every check that fails is told", status == 409 and body["code"] == "append-conflict" and found == [(0, 1), (1, "no_stream")],
               (status, body))
    count.show("and nothing was appended", len(client.events("multi-a")) == 2)
    status, body, _ = append([], [{"stream": "multi-a", "expected": 1}])
    count.show("checks alone", status == 201, (status, body))
    status, body, _ = append([event("g1", stream="ghost-1")], [{"stream": "multi-a", "expected": 5}])
    refused = [(status, body["code"]), client.append("ghost-1", [event("g1")], 5)[0], client.append("ghost-1", [event("g1")], "exists")[0]]
    names = [c["name"] for c in client.call("GET", "/api/v1/categories")[1]["categories"]]
    count.show("what is refused makes no category", refused == [(409, "append-conflict"), 409, 409] and "ghost" not in names and
               "multi" in names, (refused, names))
    client.append("tomb-1", [event("d1")])
    client.append("tomb-2", [event("d1")])
    client.call("DELETE", "/api/v1/streams/tomb-1?hard=true")
    client.call("DELETE", "/api/v1/streams/tomb-2")
    told = {}
    for stream, expected in (("tomb-1", "no_stream"), ("tomb-1", "exists"), ("tomb-2", "exists")):
        status, body, _ = append([event("g2", stream="multi-a")], [{"stream": stream, "expected": expected}])
        told[stream, expected] = (status, body["code"], body["retryable"], body["violations"][0]["actual"], body["violations"][0]["deleted"])
    count.show("a check of a stream that is gone for ever says so, and is not to be tried again", told == {
        ("tomb-1", "no_stream"): (409, "append-conflict", False, "tombstoned", True),
        ("tomb-1", "exists"): (409, "append-conflict", False, "tombstoned", True),
        ("tomb-2", "exists"): (409, "append-conflict", True, "no_stream", True)}, told)
    # Tag queries.
    query = {"items": [{"types": ["SeatTaken"], "tags": ["show:1", "seat:9"]}]}
    status, body, _ = append([event("t1", "SeatTaken", stream="seat-9", tags=["show:1", "seat:9"])], [{"query": query}])
    first = body["position"]
    count.show("no event matches: appended", status == 201, (status, body))
    status, body, _ = append([event("t2", "SeatTaken", stream="seat-x", tags=["show:1", "seat:9"])], [{"query": query}])
    count.show("an event matches: refused with its place", status == 409 and body["violations"][0]["first_match"] == first and
               body["violations"][0]["type"] == "SeatTaken", (status, body))
    status, body, _ = append([event("t3", "SeatTaken", stream="seat-x", tags=["show:1", "seat:9"])], [{"query": query, "after": first}])
    count.show("none after that position: appended", status == 201, (status, body))
    everything = {"items": [{}]}
    status, body, _ = append([event("t5", stream="seat-y")], [{"query": everything, "after": first}])
    met = body.get("violations", [{}])[0]
    count.show("an item without types and tags is met by any event", status == 409 and met.get("first_match"), (status, body))
    last = client.call("GET", "/api/v1/events?dir=back&from=end&limit=1")[1]["events"][0]["position"]
    status, body, _ = append([event("t5", stream="seat-y")], [{"query": everything, "after": last}])
    count.show("nothing has happened since the last event: it is appended", status == 201, (status, body))
    status, body, _ = append([event("t6", stream="seat-y")], [{"query": everything, "after": last}])
    count.show("then something has", status == 409 and body["violations"][0]["first_match"], (status, body))
    status, body, _ = append([event("t1", "SeatTaken", stream="seat-9", tags=["show:1", "seat:9"])], [{"query": query}])
    count.show("the same append again is a repetition, whatever the query finds", status == 200 and body["idempotent"] and
               body["position"] == first, (status, body))
    client.close()


def many_writers(count, server, rounds):
    """Each takes numbered seats under a tag query, and counts in a shared stream under its revision. A seat has one owner; the
    revisions of the shared stream have no gap; a writer on its own streams never meets a conflict."""
    taken, errors, own = [], [], []
    lock = threading.Lock()

    def work(me):
        client = Client(server)
        try:
            for batch in range(rounds):
                seat = (me * 7 + batch) % 40
                query = {"items": [{"tags": [f"mseat:{seat}"]}]}
                status, body, _ = client.call("POST", "/api/v1/append", {
                    "records": [event(f"w{me}-{batch}", "SeatTaken", stream=f"mshow-{me}", tags=[f"mseat:{seat}"])],
                    "checks": [{"query": query}]})
                status_own, _, _ = client.append(f"mown-{me}", [event(f"o{me}-{batch}")], "no_stream" if batch == 0 else batch - 1)
                with lock:
                    own.append(status_own)
                    if status == 201:
                        taken.append((seat, me, body["position"]))
                    elif status != 409 or body["code"] != "append-conflict":
                        errors.append((status, body))
                for _ in range(2000):
                    status, page, _ = client.call("GET", "/api/v1/streams/mcount-1/events?from=end&dir=back&limit=1")
                    expected = page["last_revision"] if status == 200 else "no_stream"
                    status, body, _ = client.append("mcount-1", [event(f"c{me}-{batch}")], expected)
                    if status in (200, 201):
                        break
                else:
                    with lock:
                        errors.append("never came through")
        except Exception as error:  # pylint: disable=broad-except
            with lock:
                errors.append(repr(error))
        client.close()
    threads = [threading.Thread(target=work, args=(i,)) for i in range(WRITERS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    client = Client(server)
    seats = [seat for seat, _, _ in taken]
    positions = [p for _, _, p in taken]
    count.show("many writers: no error", not errors, errors[:3])
    count.show("many writers: every seat has one owner", sorted(set(seats)) == sorted(seats) == list(range(40)), sorted(seats))
    count.show("many writers: positions are unique", len(set(positions)) == len(positions))
    count.show("many writers: who writes alone meets no conflict", set(own) == {201}, set(own))
    shared = client.events("mcount-1")
    count.show("many writers: a shared stream has every event once, without a gap",
               [e["revision"] for e in shared] == list(range(WRITERS * rounds)) and len({e["id"] for e in shared}) == WRITERS * rounds, len(shared))
    everything = client.all_events()
    count.show("many writers: the order of all has every event once",
               len({(e["stream"], e["revision"]) for e in everything}) == len(everything) and
               [e["position"] for e in everything] == sorted((e["position"] for e in everything), key=place), len(everything))
    client.close()


def same_key(count, server):
    """A thousand requests with one Idempotency-Key, and another thousand with a second one, at the same time: each key has one
    effect; who comes while it is being made is told so, who comes later gets the same answer."""
    answers = {"one": [], "two": []}
    lock = threading.Lock()

    def work(me):
        client = Client(server)
        key = "one" if me % 2 else "two"
        for _ in range(50):
            status, body, headers = client.call("POST", f"/api/v1/streams/key-{key}/events", {"events": [{"type": "Keyed", "data": key}]},
                                                {"Idempotency-Key": f"parallel-{key}"})
            with lock:
                answers[key].append((status, json.dumps(body) if status == 201 else body["code"], headers.get("idempotency-replayed")))
        client.close()
    threads = [threading.Thread(target=work, args=(i,)) for i in range(WRITERS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    client = Client(server)
    for key, got in answers.items():
        made = [a for a in got if a[0] == 201 and a[2] is None]
        again = [a for a in got if a[0] == 201 and a[2] == "true"]
        meanwhile = [a for a in got if a[:2] == (409, "idempotency-in-progress")]
        count.show(f"a key from {WRITERS // 2} clients at once has one effect", len(client.events(f"key-{key}")) == len(made) == 1 and
                   {a[1] for a in again} == {made[0][1]} and len(made) + len(again) + len(meanwhile) == len(got) == 1000,
                   (len(made), len(again), len(meanwhile), got[:3]))
    client.close()


def boundary(count, server, rounds):
    """Each reads what carries a tag, decides by it, and appends if nothing else came after what it read: so each event carries
    the number of those before it, whoever wrote them and in whichever stream."""
    errors, conflicts = [], [0]

    def work(me):
        client = Client(server)
        try:
            for n in range(rounds):
                while True:
                    page = client.call("GET", "/api/v1/events?tag=account:7&limit=1000")[1]
                    status, body, _ = client.call("POST", "/api/v1/append", {
                        "records": [event(f"d{me}-{n}", "Deposited", {"before": len(page["events"])}, stream=f"boundary-{me}",
                                          tags=["account:7", f"by:{me}"])],
                        "checks": [{"query": {"items": [{"tags": ["account:7"]}]}, "after": page["next"]}]})
                    if status in (200, 201):
                        break
                    if status != 409 or body["code"] != "append-conflict":
                        errors.append((status, body))
                        return
                    conflicts[0] += 1
        except Exception as error:  # pylint: disable=broad-except
            errors.append(repr(error))
        client.close()
    threads = [threading.Thread(target=work, args=(i,)) for i in range(WRITERS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    client = Client(server)
    found = [e["data"]["before"] for e in client.all_events("&tag=account:7")]
    count.show(f"{WRITERS} writers decide by one tag: each saw all before it ({conflicts[0]} conflicts)",
               not errors and conflicts[0] > 0 and found == list(range(WRITERS * rounds)), (errors[:3], found[:50]))
    client.close()


def place(text):
    """Positions are opaque to clients; this test may know that they are numbers in hexadecimal."""
    return tuple(int(part, 16) for part in text[2:].replace(".", "-").split("-"))


def register(count, server, rounds):
    """Writers and readers of one register kept as a stream: a write expects the revision that was read."""
    one = registers.Register(server, "register-1", rounds)
    one.end()
    one.judge(count, "a register over conditional appends")
    count.show("its writers met: all but one of the first were refused", one.count(False) >= registers.WRITERS - 1, one.count(False))


def run(count, server, longer=1):
    """longer: so many times as many appends of writers in parallel."""
    linear.self_test(count)
    conditions(count, server)
    refusals(count, server)
    largest(count, server)
    many_small(count, server)
    several(count, server)
    many_writers(count, server, 10 * longer)
    same_key(count, server)
    boundary(count, server, longer)
    register(count, server, 12 * longer)
