"""Views over HTTP: queries, what their columns are written as, read-your-writes; a version that waits for its switch; what is refused, by its code."""
import json
import subprocess
import time

from server import Client

DEFINITION = """
projection: shelf
version: 1
source: { category: shelf }
target: sqlite:shelf.db
switch: manual
tables:
  shelf_view:
    columns: { id: text, n: integer, price: real }
    key: id
maps:
  - type: Put
    upsert: { table: shelf_view, key: { id: $stream_id }, set: { n: /data/n, price: /data/price } }
"""
PROJECTION, VIEW = "/api/v1/projections/shelf", "/api/v1/views/shelf_view"


def say(client, stream, **data):
    return client.call("POST", f"/api/v1/streams/shelf-{stream}/events", {"events": [{"type": "Put", "data": data}]})[1]["position"]


def queries(count, client):
    for n, price in enumerate((3450.0, 0.1, 1e16, 2.5)):
        at = say(client, f"s{n}", n=n, price=price)
    status, _, text = client.raw("GET", f"{VIEW}?at_least={at}&timeout=20s&order=n&columns=price")
    count.show("reals of a view are plain decimals", status == 200 and
               text.decode().split('"rows":')[1].startswith('[{"price":3450},{"price":0.1},{"price":10000000000000000},{"price":2.5}]'), text)
    page = client.call("GET", f"{VIEW}?order=n:desc&columns=id&limit=3")[1]
    rest = client.call("GET", f"{VIEW}?order=n:desc&columns=id&limit=3&cursor={page['next_cursor']}")[1]
    count.show("pages by cursor", [r["id"] for r in page["rows"] + rest["rows"]] == ["s3", "s2", "s1", "s0"] and "next_cursor" not in rest, (page, rest))
    answer = client.call("GET", f"{VIEW}?limit=0")
    count.show("a page of nothing is refused", answer[0] == 400 and answer[1]["detail"].startswith("limit: "), answer)
    told = [client.call("GET", f"{VIEW}?filter=price:is_null{value}") for value in ("", ":true", ":false", ":maybe", ":")]
    count.show("is_null takes true and false, and nothing else", [(t[0], len(t[1].get("rows", []))) for t in told] == [(200, 0), (200, 0), (200, 4), (400, 0), (400, 0)] and
               told[3][1]["detail"] == "filter 'price:is_null:maybe': must be COLUMN:OP:VALUE", told)
    client.call("POST", f"{PROJECTION}/pause", {})
    at = say(client, "s9", n=9, price=1)
    answer = client.call("GET", f"{VIEW}?at_least={at}&timeout=100ms"), client.call("GET", f"{PROJECTION}/wait?at_least={at}&timeout=100ms")
    count.show("a view that is behind says so", all(a[0] == 504 and a[1]["code"] == "projection-behind" and a[1]["lag_events"] >= 1 for a in answer), answer)
    client.call("POST", f"{PROJECTION}/resume", {})
    answer = client.call("GET", f"{PROJECTION}/wait?at_least={at}&timeout=20s")
    count.show("and when it is there", answer[0] == 200 and answer[1]["caught_up"], answer)


def refused(count, client):
    named = client.call("PUT", "/api/v1/projections/other", DEFINITION.encode(), {"Content-Type": "application/yaml"})
    there = client.call("GET", "/api/v1/projections/other")[0]
    count.show("a definition of another name than its address", (named[0], named[1]["code"], there) == (422, "definition-invalid", 404) and
               "calls itself 'shelf', not 'other'" in named[1]["detail"], (named, there))

    def told(method, path, body=None):
        status, answer, _ = client.call(method, PROJECTION + path, body)
        return status, answer["code"]
    version = (404, "projection-version-not-found")
    for name, got, wanted in (
            ("cancel without a version that is built", told("POST", "/cancel", {}), version),
            ("rollback without a version that is kept", told("POST", "/rollback", {}), version),
            ("switch without a version that is built", told("POST", "/switch", {}), version),
            ("a version that is not there", told("GET", "/definition?version=7"), version),
            ("dropping it", told("DELETE", "/versions/7"), version),
            ("the keys that are parked in it", told("GET", "/parked?version=7"), version),
            ("skip of a key that is not parked", told("POST", "/keys/s1/skip", {}), (404, "key-not-parked")),
            ("skip in a version that is not there", told("POST", "/keys/s1/skip?version=7", {}), version),
            ("a projection that is not there", told("POST", "x/cancel", {}), (404, "projection-not-found"))):
        count.show(name, got == wanted, (got, wanted))
    at = say(client, "bad", n="no number", price=1)
    client.call("GET", f"{VIEW}?at_least={at}&timeout=20s")
    parked = client.call("GET", f"{PROJECTION}/parked")[1]["parked"]
    got = told("POST", f"/keys/{parked[0]['key']}/retry", {}) if parked else None
    count.show("retry of a key that stays parked", got == (409, "key-stays-parked"), (got, parked))
    at = say(client, "bad", n="none again", price=1)
    client.call("GET", f"{VIEW}?at_least={at}&timeout=20s")
    told = [client.call("POST", f"{PROJECTION}/keys/{parked[0]['key']}/skip", {})[:2] for _ in range(2)]
    left = [(a[0], a[1].get("skipped"), a[1].get("applied"), a[1].get("parked_events"), "reason" in a[1]) for a in told]
    count.show("a skip that leaves others says so, and is no failure", left == [(200, 1, 0, 1, True), (200, 1, 0, 0, False)], told)


def stopped(count, client):
    """A version that an event has stopped cannot be served: it would stay behind."""
    first = DEFINITION.replace("shelf_view", "stops_view").replace("projection: shelf", "projection: stops\non_error: stop")
    then = first.replace("version: 1", "version: 2")

    def put(definition, done):
        client.raw("PUT", "/api/v1/projections/stops", definition.encode(), {"Content-Type": "application/yaml"})
        ends = time.monotonic() + 20
        while True:
            shown = client.call("GET", "/api/v1/projections/stops")[1]
            if done(shown) or time.monotonic() > ends:
                return shown
            time.sleep(0.02)
    put(first.replace("category: shelf", "category: nothing"), lambda p: p.get("served_version") == 1)
    shown = put(then, lambda p: any(v["version"] == 2 and v["state"] == "stopped" for v in p["versions"]))
    status, told, _ = client.call("POST", "/api/v1/projections/stops/switch", {})
    count.show("a version that has stopped is not served", (status, told.get("code")) == (409, "projection-version-stopped") and
               not told["retryable"] and "leat projection resume stops" in told["hint"], (shown, told))
    client.call("DELETE", "/api/v1/projections/stops")


def empty_key(count, server, client, binary):
    """A key may be the empty text, which no path can name."""
    definition = DEFINITION.replace("shelf_view", "empty_view").replace("projection: shelf", "projection: empty\nkey: /data/k")
    client.raw("PUT", "/api/v1/projections/empty", definition.encode(), {"Content-Type": "application/yaml"})
    for n in ("no", "none", 3, "nothing", 5):
        at = say(client, "empty", k="", n=n, price=1)
    client.call("GET", f"/api/v1/views/empty_view?at_least={at}&timeout=20s")
    parked = client.call("GET", "/api/v1/projections/empty/parked")[1]["parked"]
    told = client.call("POST", "/api/v1/projections/empty/parked/retry?key=", {}), client.call("POST", "/api/v1/projections/empty/parked/skip?key=", {})
    count.show("an empty key is tried again and skipped", (parked[0]["key"], parked[0]["events"]) == ("", 5) and told[0][1].get("code") == "key-stays-parked" and
               told[1][0] == 200 and told[1][1]["parked_events"] == 4, (parked, told))
    shown = [subprocess.run([binary, "projection", "skip", "empty", "", "--http", server.http], capture_output=True, text=True, timeout=60, check=False) for _ in range(2)]
    count.show("by hand, too, and it says what it did", [s.returncode for s in shown] == [0, 0] and "1 skipped, 1 applied, 2 still parked\n" in shown[0].stdout and
               "the first of them: " in shown[0].stdout and "1 skipped, 1 applied, 0 still parked\n" in shown[1].stdout, shown)
    rows = client.call("GET", "/api/v1/views/empty_view?filter=id:eq:empty")[1]["rows"]
    count.show("and its rows are there", [r["n"] for r in rows] == [5], rows)
    client.call("DELETE", "/api/v1/projections/empty")


def many_keys(count, server, client, binary):
    """More keys than a page has, and so long that a page of them is more than 1 MiB."""
    definition = DEFINITION.replace("shelf_view", "many_view").replace("projection: shelf", "projection: many\nkey: /data/k")
    definition = definition.replace("category: shelf", "category: many")
    client.raw("PUT", "/api/v1/projections/many", definition.encode(), {"Content-Type": "application/yaml"})
    keys = [f"{n:04}" + "k" * 900 for n in range(2100)]
    for at in range(0, len(keys), 700):
        events = [{"type": "Put", "data": {"k": k, "n": "no number", "price": 1}} for k in keys[at:at + 700]]
        position = client.call("POST", f"/api/v1/streams/many-{at}/events", {"events": events})[1]["position"]
    client.call("GET", f"/api/v1/views/many_view?at_least={position}&timeout=30s")
    got = [subprocess.run([binary, "projection", "parked", "many", "--http", server.http, *more], capture_output=True, text=True, timeout=60, check=False)
           for more in ((), ("-o", "json"))]
    listed = [p["key"] for p in json.loads(got[1].stdout or "{}").get("parked", [])]
    count.show("all parked keys are listed by hand, not a page of them", [g.returncode for g in got] == [0, 0] and listed == keys and
               len(got[0].stdout.splitlines()) == 1 + len(keys), (len(listed), listed[-1:], [g.stderr for g in got]))
    client.call("DELETE", "/api/v1/projections/many")


def by_hand(count, server, client, binary):
    def run(*words):
        return subprocess.run([binary, "projection", *words, "--http", server.http], capture_output=True, text=True, timeout=60, check=False)
    told = run("rebuild", "shelf", "--follow", "--timeout", "20")
    count.show("a rebuild that waits for its switch ends well, and says what to do",
               told.returncode == 0 and "version 2 is ready: leat projection switch shelf serves it" in told.stdout, told)
    shown, status = run("show", "shelf"), client.call("GET", PROJECTION)[1]
    count.show("and its status says so", "version 2 is ready" in shown.stdout and status["served_version"] == 1 and
               [v["waits_for_switch"] for v in status["versions"] if v["version"] == 2] == [True], (shown, status))
    told = run("switch", "shelf")
    count.show("the switch serves it", told.returncode == 0 and "serving: shelf, version 2" in told.stdout and "is ready" not in run("show", "shelf").stdout, told)
    run("pause", "shelf")
    told = run("rebuild", "shelf", "--follow", "--timeout", "20")
    count.show("to follow what is paused is an error, not a success", told.returncode == 1 and "is paused" in told.stderr and
               "leat projection resume shelf" in told.stderr and "serving" not in told.stdout, told)
    client.call("DELETE", PROJECTION)


def run(count, server, binary):
    client = Client(server)
    at = say(client, "s0", n=-1, price=0)
    client.raw("PUT", PROJECTION, DEFINITION.encode(), {"Content-Type": "application/yaml"})
    got = client.call("GET", VIEW), client.call("GET", f"{VIEW}?at_least={at}&timeout=20s")
    count.show("a view that was just declared is not ready, or served", got[0][0] == 200 or (got[0][0] == 503 and got[0][1]["code"] == "projection-not-ready"), got[0])
    count.show("and whoever waits for a position gets its rows", got[1][0] == 200 and got[1][1]["rows"] == [{"id": "s0", "n": -1, "price": 0}], got[1])
    queries(count, client)
    refused(count, client)
    stopped(count, client)
    empty_key(count, server, client, binary)
    many_keys(count, server, client, binary)
    by_hand(count, server, client, binary)
    client.close()
