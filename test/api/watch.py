"""Changes of a view over HTTP: as events, as pages, on the command line; across a switch, a restart, and to the end."""
import json
import socket
import subprocess
import time

from records import Events
from server import Client

DEFINITION = """
projection: watched
version: %d
source: { category: watch }
target: sqlite:watched.db
tables:
  watched_view:
    columns: { id: text, n: integer, note: text%s }
    key: id
maps:
  - type: Set
    upsert: { table: watched_view, key: { id: $stream_id }, set: { n: /data/n, note: /data/note } }
  - type: Gone
    delete: { table: watched_view, key: { id: $stream_id } }
"""
VIEW = "/api/v1/views/watched_view"


def put(client, version=1, more=""):
    return client.raw("PUT", "/api/v1/projections/watched", (DEFINITION % (version, more)).encode(), {"Content-Type": "application/yaml"})


def say(client, stream, kind, **data):
    """The position of the append."""
    return client.call("POST", f"/api/v1/streams/watch-{stream}/events", {"expected": "any", "events": [{"type": kind, "data": data}]})[1]["position"]


def rows(client, at_least):
    answer = client.call("GET", f"{VIEW}?limit=10000&at_least={at_least}&timeout=20s")
    return {r["id"]: r for r in answer[1].get("rows", [])}


def event_of(events, *names):
    """The next event of one of these names: its id and data."""
    while True:
        got = events.next()
        if got is None or got.get("event") in names:
            return got and got.get("id"), got and json.loads(got["data"]), got and got["event"]


def changes(events, count):
    return [event_of(events, "change")[1] for _ in range(count)]


def tells(count, server, client):
    at = say(client, "a", "Set", n=1, note="first")
    rows(client, at)
    events = Events(server, VIEW + "/changes")
    media = events.answer.getheader("content-type")
    caught = event_of(events, "caught_up")
    count.show("a watch says when everything was told", media == "text/event-stream" and caught[1]["position"] >= at and caught[1]["version"] == 1, caught)
    at = say(client, "a", "Set", n=2, note="two\nlines")
    identity, got, _ = event_of(events, "change")
    count.show("a row that changes is told as it is",
               got == {"view": "watched_view", "kind": "upsert", "key": {"id": "a"}, "row": {"id": "a", "n": 2, "note": "two\nlines"}, "position": got["position"], "version": 1}
               and rows(client, got["position"])["a"]["n"] == 2 and got["position"] == at, (got, at))
    body = {"expected": "any", "events": [{"type": "Set", "data": {"n": n, "note": "pair"}} for n in (3, 4)]}
    at = client.call("POST", "/api/v1/streams/watch-a/events", body)[1]["position"]
    identity, got, _ = event_of(events, "change")
    told = event_of(events, "checkpoint")[1]
    count.show("of two events that are appended at once, the change and the checkpoint reach the position of the append",
               got["position"] == at and told["position"] >= at, (got, told, at))
    say(client, "a", "Gone")
    got = event_of(events, "change")[1]
    count.show("and so is one that is gone", got["kind"] == "delete" and got["key"] == {"id": "a"} and "row" not in got, got)
    events.close()
    events = Events(server, VIEW + "/changes", {"Last-Event-ID": identity})
    got = event_of(events, "change", "reset")
    count.show("Last-Event-ID goes on where it was", got[2] == "change" and got[1]["kind"] == "delete", got)
    events.close()
    events = Events(server, VIEW + "/changes", {"Last-Event-ID": "v:0123456789abcdef-7"})
    got = event_of(events, "change", "reset", "caught_up")
    count.show("and says so where it cannot", got[2] == "reset" and got[1]["reason"], got)
    events.close()
    for wrong in ("from=7", "filter=id:lt:x", "filter=nothing:eq:1", "columns=nothing", "wait=1h"):
        answer = client.call("GET", f"{VIEW}/changes?{wrong}")
        count.show(f"{wrong}: refused", answer[0] == 400 and answer[1]["code"] in ("invalid-request", "malformed"), answer[1])
    answer = client.call("GET", "/api/v1/views/nothing/changes")
    count.show("a view that is not there", answer[0] == 404 and answer[1]["code"] == "view-not-found", answer[1])


def behind(count, server, client):
    """A projection that does not go on is told of, with how far it is behind; and when it has."""
    at = say(client, "d", "Set", n=1)
    rows(client, at)
    events = Events(server, VIEW + "/changes")
    event_of(events, "caught_up")
    client.call("POST", "/api/v1/projections/watched/pause", {})
    say(client, "d", "Set", n=2)
    got = event_of(events, "fell_behind", "change")
    count.show("a watch says that its projection fell behind", got[2] == "fell_behind" and got[1]["lag_events"] == 1, got)
    client.call("POST", "/api/v1/projections/watched/resume", {})
    names = [event_of(events, "fell_behind", "change", "reset", "caught_up", "checkpoint")[2] for _ in range(2)]
    count.show("and that it has caught up", names == ["change", "caught_up"], names)
    events.close()


def filters(count, server, client):
    events = Events(server, VIEW + "/changes?filter=n:gte:10&filter=id:prefix:f&columns=n")
    event_of(events, "caught_up")
    for stream, n in (("x", 99), ("f1", 5), ("f1", 10), ("f1", 3)):
        rows(client, say(client, stream, "Set", n=n))
    got = [(c["kind"], c["key"]["id"], c.get("row")) for c in changes(events, 3)]
    count.show("a filter tells what comes in and goes out", got == [("delete", "f1", None), ("upsert", "f1", {"n": 10}), ("delete", "f1", None)], got)
    events.close()


def pages(count, client):
    page = client.call("GET", VIEW + "/changes?wait=100ms")[1]
    at = page["next"]
    rows(client, say(client, "p", "Set", n=1))
    page = client.call("GET", f"{VIEW}/changes?wait=10s&from={at}")[1]
    count.show("a page is answered when there is something", [c["change"]["key"] for c in page["changes"]] == [{"id": "p"}], page)
    again = client.call("GET", f"{VIEW}/changes?wait=100ms&from={page['next']}")[1]
    count.show("and the next one begins behind it", again["changes"] == [] and again["caught_up"], again)


def copy(count, server, client, total):
    """A client that reads the view after its watch has begun, and takes what is told, has what the view has."""
    events = Events(server, VIEW + "/changes")
    event_of(events, "caught_up")
    mine = rows(client, say(client, "c0", "Set", n=0))
    at = None
    for i in range(total):
        at = say(client, f"c{i % 17}", "Gone" if i % 5 == 4 else "Set", n=i)
    resets = 0
    while True:
        _, got, name = event_of(events, "change", "reset", "switched", "caught_up", "checkpoint")
        if name == "change":
            mine.pop(got["key"]["id"], None)
            if got["kind"] == "upsert":
                mine[got["key"]["id"]] = got["row"]
        elif name in ("reset", "switched"):
            resets += 1
            mine = rows(client, at)
        elif got["position"] >= at:
            break
    count.show(f"after {total} changes a client's copy is the view ({resets} resets)", mine == rows(client, at), mine)
    events.close()


def begin(count, server, client, binary):
    """A first version is served while it catches up; --follow goes on until it has."""
    events = [{"type": "Set", "data": {"n": i}} for i in range(100)]
    stored = [client.call("POST", f"/api/v1/streams/watch-b{i % 7}/events", {"expected": "any", "events": events}) for i in range(100)]
    count.show("10,000 events", all(s[0] in (200, 201) for s in stored), stored[0])
    got = subprocess.run([binary, "projection", "apply", "-", "--http", server.http, "--follow"], input=DEFINITION % (1, ""), capture_output=True, text=True, timeout=60, check=False)
    status = client.call("GET", "/api/v1/projections/watched")[1]["versions"][0]
    count.show("apply --follow follows a first version until it has caught up",
               got.returncode == 0 and "serving version 1" in got.stdout and status["caught_up"] and status["applied"] == 10000, (got, status))


def command_line(count, server, client, binary):
    command = [binary, "projection", "watch", "watched_view", "--http", server.http, "--timeout", "4"]
    # Beside each other, so that the second costs no time.
    watches = [subprocess.Popen(command + more, stdout=subprocess.PIPE, text=True) for more in ([], ["-o", "json"])]
    for i in range(21):
        say(client, "cli", "Set", n=i)
        time.sleep(0.1)
    line = watches[0].stdout.readline()
    frames = [json.loads(watches[1].stdout.readline())]
    while "change" not in frames[-1]:
        frames.append(json.loads(watches[1].stdout.readline()))
    for watch in watches:
        watch.terminate()
    status = [watch.wait(20) for watch in watches]
    for watch in watches:
        watch.stdout.close()
    count.show("leat projection watch prints what is told", line.startswith('upsert {"id":"cli"} {"id":"cli","n":') and status[0] == 0, (line, status))
    change = frames[-1]["change"]
    count.show("leat projection watch -o json prints a line of JSON for each thing that is told",
               change["view"] == "watched_view" and change["kind"] == "upsert" and change["key"] == {"id": "cli"} and change["row"]["n"] in range(21)
               and change["version"] == 1 and all(set(f) <= {"change", "reset", "caught_up", "checkpoint"} and len(f) == 1 for f in frames) and status[1] == 0,
               (frames, status))


def slow(count, server, client):
    """Who does not read is told that it was too slow, and is closed; others do not wait for it."""
    host, port = server.http.rsplit(":", 1)
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.connect((host, int(port)))
    link.sendall(f"GET {VIEW}/changes HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode())
    link.settimeout(20)
    data = link.recv(200)
    note = "x" * 60000
    at = None
    for i in range(260):
        at = client.call("POST", f"/api/v1/streams/watch-s{i}/events", {"expected": "any", "events": [{"type": "Set", "data": {"n": i, "note": note}}]})[1]["position"]
        if i % 20 == 0:
            client.call("GET", f"{VIEW}?limit=1&at_least={at}&timeout=20s")
    rows(client, at)
    time.sleep(0.5)
    while not data.endswith(b"\r\n0\r\n\r\n"):  # the connection stays for the next request
        more = link.recv(1 << 20)
        if not more:
            break
        data = data[-2000:] + more
    link.close()
    count.show("a page of a view may be large", len(rows(client, at)) > 260, len(rows(client, at)))
    count.show("a reader that is too slow is told, and its stream ends",
               b"event: closed" in data and b"watch-too-slow" in data and data.endswith(b"\r\n0\r\n\r\n"), data[-300:])


def versions(count, server, client):
    events = Events(server, VIEW + "/changes")
    event_of(events, "caught_up")
    put(client, 2, ", more: text")
    got = event_of(events, "switched")
    count.show("a switch is told", got[1] is not None and got[1]["version"] == 2, got)
    rows(client, say(client, "v", "Set", n=1))
    got = changes(events, 1)[0]
    count.show("then rows of the new version", got["row"] == {"id": "v", "n": 1, "note": None, "more": None} and got["version"] == 2, got)
    answer = client.call("DELETE", "/api/v1/projections/watched/versions/2")
    count.show("the served version is not dropped", answer[0] == 409 and answer[1]["code"] == "projection-version-conflict" and "in use" in answer[1]["title"], answer)
    answer = client.call("POST", "/api/v1/projections/watched/pause", {}), client.call("POST", "/api/v1/projections/watched/resume", {})
    count.show("a pause and its end name the served version", [a[1]["version"] for a in answer] == [2, 2], answer)
    answer = client.call("DELETE", "/api/v1/projections/watched/versions/1")
    left = [v["version"] for v in client.call("GET", "/api/v1/projections/watched")[1]["versions"]]
    count.show("a kept one is, when it is told to", answer[0] == 204 and left == [2], (answer, left))
    client.call("DELETE", "/api/v1/projections/watched")
    got = event_of(events, "closed")
    count.show("the end of the projection ends the watch", got[1] is not None and got[1]["code"] == "view-not-found" and events.next() is None, got)
    events.close()


def newest_forms(count, client):
    """Upcasts hold in projections, and a change of them is a reason for a rebuild."""
    upcasts = "upcasts:\n  - { from: Placed.v1, to: Placed.v2, set: { /data/amount: /data/n * %d } }\n"
    definition = """{"projection":"forms","source":{"category":"forms"},"target":"sqlite:forms.db","tables":{"forms_view":{"columns":{"id":"text","n":"integer"},"key":"id"}},
        "maps":[{"type":"Placed.v2","upsert":{"table":"forms_view","key":{"id":"$key"},"set":{"n":"/data/amount"}}}]}"""
    yaml = {"Content-Type": "application/yaml"}
    client.raw("PUT", "/api/v1/upcasts/watch-forms", (upcasts % 1).encode(), yaml)
    at = client.call("POST", "/api/v1/streams/forms-1/events", {"expected": "any", "events": [{"type": "Placed.v1", "data": {"n": 7}}]})[1]["position"]
    check = client.raw("POST", "/api/v1/projection-checks", definition.encode(), yaml)
    client.raw("PUT", "/api/v1/projections/forms", definition.encode(), yaml)

    def value(position):
        return client.call("GET", f"/api/v1/views/forms_view?at_least={position}&timeout=20s")[1].get("rows")

    def why():
        return [v.get("rebuild_because") for v in client.call("GET", "/api/v1/projections/forms")[1]["versions"]]

    def until(want):
        ends = time.monotonic() + 20
        while value(at) != want and time.monotonic() < ends:
            time.sleep(0.05)
        return value(at)
    first = until([{"id": "forms-1", "n": 7}])
    count.show("a projection, and its check, see the newest form", first == [{"id": "forms-1", "n": 7}] and b'"n":7' in check[2] and why() == [None], (first, check, why()))
    client.raw("PUT", "/api/v1/upcasts/watch-forms", (upcasts % 2).encode(), yaml)
    changed = why()
    client.call("POST", "/api/v1/projections/forms/rebuild", {})
    until([{"id": "forms-1", "n": 14}])
    count.show("a changed upcast is a reason for a rebuild", changed[0] is not None and value(at) == [{"id": "forms-1", "n": 14}] and why()[-1] is None, (changed, value(at), why()))


def ready_made(count, server, client, binary):
    """The textbook tables, by one line each."""
    client.call("POST", "/api/v1/streams/textbook-1/events", {"expected": "any", "events": [{"type": "A", "data": {"n": 1}}, {"type": "A", "data": {"n": 2}}]})
    client.call("PUT", "/api/v1/streams/textbook-1/snapshot", {"revision": 1, "schema": "T.v1", "state": {"n": 3}})
    for what in ("event_store", "snapshots"):
        text = subprocess.run([binary, "projection", "template", what, "textbook", "--http", server.http], capture_output=True, text=True, timeout=60, check=False)
        subprocess.run([binary, "projection", "apply", "-", "--http", server.http, "--follow"], input=text.stdout, capture_output=True, text=True, timeout=60, check=False)
    events = client.call("GET", "/api/v1/views/event_store")[1].get("rows", [])
    shots = client.call("GET", "/api/v1/views/snapshots")[1].get("rows", [])
    good = [(e["aggregate_id"], e["aggregate_version"], e["event_data"]) for e in events] == [("textbook-1", 0, {"n": 1}), ("textbook-1", 1, {"n": 2})]
    shot = [(s["aggregate_id"], s["aggregate_type"], s["aggregate_version"], s["snapshot_type"], s["snapshot_data"]) for s in shots]
    count.show("the textbook tables of a category", good and shot == [("textbook-1", "textbook", 1, "T.v1", {"n": 3})], (events, shots))


def restart(count, server):
    """A browser that comes back with its last id after a restart is told to read again."""
    events = Events(server, VIEW + "/changes")
    identity = event_of(events, "caught_up")[0]
    server.kill()
    events.close()
    server.start()
    events = Events(server, VIEW + "/changes", {"Last-Event-ID": identity})
    got = event_of(events, "change", "reset", "caught_up")
    count.show("after a restart a watch begins with a reset", got[2] == "reset", got)
    events.close()


def run(count, server, binary, gate):
    client = Client(server)
    begin(count, server, client, binary)
    tells(count, server, client)
    behind(count, server, client)
    filters(count, server, client)
    pages(count, client)
    copy(count, server, client, 2000 if gate else 200)
    command_line(count, server, client, binary)
    slow(count, server, client)
    newest_forms(count, client)
    ready_made(count, server, client, binary)
    restart(count, server)
    client = Client(server)
    copy(count, server, client, 100)
    versions(count, server, client)
