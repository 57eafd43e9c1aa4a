"""Each limit of docs/event-store.md and its code; and what makes two events with one id the same."""
from server import Client, event

INVALID, TOO_MANY = (400, "invalid-request"), (413, "too-large")


def codes(count, server):
    client = Client(server)
    client.append("limit-1", [event("k")])

    def append(stream="limit-2", **more):
        return client.append(stream, [event(**more)])

    def query(*items):
        return client.call("POST", "/api/v1/append", {"records": [event(stream="limit-2")], "checks": [{"query": {"items": i}} for i in items]})

    def snapshot(schema, state=1):
        return client.call("PUT", "/api/v1/streams/limit-1/snapshot", {"revision": 0, "schema": schema, "state": state})

    def redact(**more):
        return client.call("POST", "/api/v1/streams/limit-1/events/0/redact", {"reason": "asked", **more})
    many = [f"n{i}" for i in range(65)]
    cases = {
        "an event": (append(data="x" * (1 << 20)), (413, "event-too-large")),
        "a snapshot": (snapshot("s", "x" * (1 << 20)), (413, "event-too-large")),
        "tags": (append(tags=many), TOO_MANY),
        "meta": (append(meta={"a": "x" * 65536}), TOO_MANY),
        "checks": (client.call("POST", "/api/v1/append", {"records": [], "checks": [{"stream": "limit-1", "expected": "any"}] * 257}), TOO_MANY),
        "items of a query": (query([{"types": ["A"]}] * 33), TOO_MANY),
        "types of an item": (query([{"types": many}]), TOO_MANY),
        "tags of an item": (query([{"tags": many}]), TOO_MANY),
        "types and tags of all queries": (query([{"types": many[:64]}] * 32, [{"types": ["A"]}]), TOO_MANY),
        "types of a filter": (client.call("GET", "/api/v1/events?type=" + ",".join(many)), TOO_MANY),
        "tags of a subscription": (client.call("GET", "/api/v1/subscriptions/live?wait=1s&tag=" + ",".join(many)), TOO_MANY),
        "a filter": (client.call("GET", "/api/v1/events?tag=" + ",".join(many[:33])), TOO_MANY),
        "fields of a redaction": (redact(fields=[f"/{n}" for n in many]), TOO_MANY),
        "the reason of a redaction": (redact(reason="r" * 1025), INVALID),
        "a stream's name": (append("limit-" + "x" * 251), INVALID),
        "a category's length": (append("c" * 241 + "-1"), INVALID),
        "a category's characters": (append("a b-1"), INVALID),
        "an id": (append(name="x" * 129), INVALID),
        "a type": (append(kind="x" * 257), INVALID),
        "a tag": (append(tags=["t" * 257]), INVALID),
        "a field": (append(correlation_id="x" * 129), INVALID),
        "extensions": (append(extensions={n: "1" for n in many[:33]}), INVALID),
        "an extension": (append(extensions={"a": "x" * 8193}), INVALID),
        "a schema tag": (snapshot("s" * 129), INVALID),
        "partitions": (client.call("PUT", "/api/v1/categories/limits", {"partitions": 1025}), INVALID),
        "a page": (client.call("GET", "/api/v1/events?limit=10001"), INVALID),
    }
    wrong = {name: answer[:2] for name, (answer, code) in cases.items() if (answer[0], answer[1].get("code")) != code}
    count.show(f"{len(cases)} limits and their codes", not wrong, wrong)
    longest = [append("limit-" + "x" * 250, name="i" * 128, kind="T" * 256, tags=["t" * 256] * 1, data=1)[0], append("c" * 240 + "-1")[0]]
    count.show("up to the limit it is taken", longest == [201, 201], longest)
    client.close()


def same(count, server):
    client = Client(server)
    first = event("k", data={"a": 1, "b": 2}, tags=["x", "y"], meta={"m": 1, "n": 2})
    client.append("limit-3", [first])
    may = {"version": "9", "time": "2020-01-01T00:00:00Z", "source": "/q", "subject": "q", "correlation_id": "q", "causation_id": "q",
           "tenant": "q", "content_type": "application/x+json", "data_schema": "urn:x", "extensions": {"q": "1"}}
    found = {name: client.append("limit-3", [{**first, name: value}])[:2] for name, value in may.items()}
    count.show("a retry may say another " + ", ".join(may), all(s == 200 and b["idempotent"] for s, b in found.values()), found)
    other = {"type": "Other", "data": {"b": 2, "a": 1}, "tags": ["y", "x"], "meta": {"n": 2, "m": 1}}
    found = {name: client.append("limit-3", [{**first, name: value}])[:2] for name, value in other.items()}
    packed = client.append("limit-3", [first])[0], client.call(
        "POST", "/api/v1/streams/limit-3/events", '{"events":[{"id":"k","type":"Happened","tags":["x","y"],"meta":{"m": 1, "n": 2},'
        '"data":{"a":1,"b":2}}]}', {"Content-Type": "application/json"})[1].get("code")
    count.show("but not another type, data, meta or tags, byte for byte",
               all((s, b["code"]) == (409, "event-id-reused") for s, b in found.values()) and packed == (200, "event-id-reused"), (found, packed))
    client.close()


def run(count, server):
    codes(count, server)
    same(count, server)
