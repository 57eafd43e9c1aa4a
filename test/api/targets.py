"""What a projection needs of its target, over HTTP: views of its own, a removal that ends, tables that are there, the topic that it has read."""
import sqlite3
import subprocess
import time

from server import Client

DEFINITION = """
projection: {name}
version: 1
source: {source}
target: {target}
tables:
  {table}: {{ columns: {{ id: text, n: integer }}, key: id }}
maps:
  - type: Set
    upsert: {{ table: {table}, key: {{ id: {key} }}, set: {{ n: /data/n }} }}
{more}"""
NOTE = """    live_only: { name: note, stream: "'anewnote-1'", type: "'Noted'", data: { n: /data/n } }
"""


def put(client, name, target, table=None, source="{ category: target }", key="$stream_id", more=""):
    text = DEFINITION.format(name=name, target=target, table=table or name + "_view", source=source, key=key, more=more)
    return client.raw("PUT", f"/api/v1/projections/{name}", text.encode(), {"Content-Type": "application/yaml"})[0]


def say(client, n):
    return client.call("POST", "/api/v1/streams/target-1/events", {"expected": "any", "events": [{"type": "Set", "data": {"n": n}}]})[1]["position"]


def version(client, name):
    """Of the first one: its state, its error, its parked events."""
    shown = client.call("GET", f"/api/v1/projections/{name}")[1].get("versions", [{}])[0]
    return shown.get("state"), shown.get("error", ""), shown.get("parked_events")


def wait(done, limit_s=15):
    ends = time.monotonic() + limit_s
    while not done() and time.monotonic() < ends:
        time.sleep(0.05)
    return done()


def groups(server, binary):
    return subprocess.run([binary, "group", "ls", "--bootstrap", server.kafka], capture_output=True, text=True, timeout=60, check=False).stdout


def removed(count, server, client):
    for target in ("sqlite:not_there/x.db", "postgresql://nobody@127.0.0.1:1/x"):
        status = put(client, "target", target)
        if status == 400 and target.startswith("postgresql"):
            continue  # its library is not installed
        unreachable = wait(lambda: version(client, "target")[0] == "unreachable")
        began = time.monotonic()
        answer = client.call("DELETE", "/api/v1/projections/target")
        count.show("a mistyped target does not keep a projection", status == 201 and unreachable and answer[0] == 204 and time.monotonic() - began < 5, (status, answer))
        count.show("and it is gone", client.call("GET", "/api/v1/projections/target")[0] == 404, target)
    at = say(client, 1)
    for _ in range(3):
        status = put(client, "target", "sqlite:target.db")
        got = client.call("GET", f"/api/v1/views/target_view?at_least={at}&timeout=20s")
        answer = client.call("DELETE", "/api/v1/projections/target")
        count.show("the name is free when the removal is answered", status == 201 and got[0] == 200 and got[1]["rows"] == [{"id": "1", "n": 1}] and answer[0] == 204, (status, got, answer))
    put(client, "target", "sqlite:target.db")
    taken = put(client, "other", f"sqlite:{server.data}/derived/views/target.db", "target_view"), put(client, "other", "sqlite:other.db", "target_view")
    count.show("a view of another is refused in whatever target", taken == (409, 409), taken)


def gone(count, server, client, binary):
    client.call("GET", f"/api/v1/views/target_view?at_least={say(client, 2)}&timeout=20s")
    with sqlite3.connect(f"{server.data}/derived/views/target.db", timeout=20) as db:
        db.execute("DROP VIEW target_view")
        db.execute("DROP TABLE target_view__v1")
    db.close()
    say(client, 3)
    stopped = wait(lambda: version(client, "target")[0] == "stopped")
    state, answer = version(client, "target"), client.call("GET", "/api/v1/views/target_view")
    count.show("a version whose table is gone stops", stopped and "leat projection rebuild target" in state[1] and state[2] == 0, state)
    refused = client.call("POST", "/api/v1/projections/target/keys/1/retry", {})
    count.show("no key of it can be tried again", (refused[0], refused[1].get("code")) == (409, "projection-version-stopped") and
               "leat projection rebuild target" in refused[1]["detail"], refused)
    count.show("and its view is the server's fault", answer[0] == 500 and answer[1]["code"] == "internal-error", answer)
    status = client.call("POST", "/api/v1/projections/target/rebuild", {})[0]
    back = wait(lambda: client.call("GET", "/api/v1/views/target_view")[0] == 200)
    answer = client.call("GET", "/api/v1/views/target_view")
    count.show("a rebuild brings it back", status in (200, 201) and back and answer[1]["rows"] == [{"id": "1", "n": 3}], (status, answer))
    client.call("DELETE", "/api/v1/projections/target")
    left = groups(server, binary)
    count.show("no group of what was removed is left", "leat-projection-shelf" not in left and "leat-projection-target" not in left and len(left) > 0, left)


def anew(count, server, client, binary):
    def record(event_id, n):
        headers = {"ce_specversion": "1.0", "ce_id": event_id, "ce_type": "Set", "ce_source": "/s", "content-type": "application/json"}
        return client.call("POST", "/api/v1/topics/anew/records", {"records": [{"key": "k", "value": {"n": n}, "headers": headers}]})[1].get("position")

    def noted():
        answer = client.call("GET", "/api/v1/streams/anewnote-1/events?limit=100")[1]
        return [e["data"]["n"] for e in answer.get("events", [])]

    client.call("PUT", "/api/v1/topics/anew", {"partitions": 2})
    put(client, "anew", "sqlite:anew.db", source="{ topics: [anew] }", key="$id", more=NOTE)
    at = record("e1", 1)
    rows = client.call("GET", f"/api/v1/views/anew_view?at_least={at}&timeout=20s")
    count.show("a projection of a plain topic, and its action", rows[0] == 200 and wait(lambda: noted() == [1]), (rows, noted()))
    told = subprocess.run([binary, "topic", "delete", "anew", "--bootstrap", server.kafka], input="yes\n", capture_output=True, text=True, timeout=60, check=False)
    client.call("PUT", "/api/v1/topics/anew", {"partitions": 1})
    record("e2", 2), record("e3", 3)
    stale = wait(lambda: "of another topic" in version(client, "anew")[1])
    count.show("a topic that is made anew is another one", told.returncode == 0 and stale, (told, version(client, "anew")))
    client.call("POST", "/api/v1/projections/anew/rebuild", {})
    served = wait(lambda: client.call("GET", "/api/v1/projections/anew")[1].get("served_version") == 2, 30)
    rows = client.call("GET", "/api/v1/views/anew_view?order=n")
    count.show("its rebuild is served", served and rows[1]["rows"] == [{"id": "e2", "n": 2}, {"id": "e3", "n": 3}], (rows, client.call("GET", "/api/v1/projections/anew")[1]))
    count.show("and its actions follow", wait(lambda: noted() == [1, 2, 3]), noted())
    client.call("DELETE", "/api/v1/projections/anew")


def run(count, server, binary):
    client = Client(server)
    removed(count, server, client)
    gone(count, server, client, binary)
    anew(count, server, client, binary)
    client.close()
