"""Pages, moments, filters, deletion, redaction, snapshots, folds, subscriptions."""
import http.client
import json
import os
import subprocess
import time

from server import Client, Stream, event

FOLD = """
fold: account
category: account
schema: account-1
snapshot_every: 10
initial: { balance: 0 }
maps:
  - type: Opened
    set: { /owner: /data/owner }
  - type: Deposited
    increment: { /balance: /data/amount }
  - type: Withdrawn
    increment: { /balance: 0 - /data/amount }
"""

# Without a schema tag of its own: name and a hash of the rules are the tag.
TALLY = """
fold: tally
category: tally
snapshot_every: 10
initial: { sum: 0 }
maps:
  - type: Counted
    increment: { /sum: RULE }
"""


def moments(count, client):
    """What was there at a time is the beginning of the stream, whole, both ways; also where clients gave times that go back."""
    def seen(stream, moment, query=""):
        return [e["revision"] for e in client.call("GET", f"/api/v1/streams/{stream}/events?at={moment}{query}")[1]["events"]]
    client.append("when-1", [{**event(f"w{n}", "T", n), "time": f"2026-01-01T00:00:{n:02}Z"} for n in range(50)], "no_stream")
    for n in (0, 1, 24, 48, 49):
        moment = f"2026-01-01T00:00:{n:02}.9Z"
        got = seen("when-1", moment), seen("when-1", moment, "&from=end&dir=back&limit=2"), seen("when-1", moment, f"&from={n}")
        count.show(f"as of a time within a batch ({n})", got == (list(range(n + 1)), list(range(n, -1, -1))[:2], [n]), got)
    got = seen("when-1", "2025-12-31T23:59Z"), seen("when-1", "2025-12-31T23:59Z", "&from=end&dir=back")
    count.show("as of a time before all", got == ([], []), got)
    for n, time in enumerate(("2030-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "2027-01-01T00:00:00Z")):
        client.append("when-2", [{**event(f"x{n}", "T", n), "time": time}], "any")
    for year, wanted in ((2019, 0), (2021, 0), (2028, 0), (2031, 4)):
        ahead, back = seen("when-2", f"{year}-06-01T00:00Z"), seen("when-2", f"{year}-06-01T00:00Z", "&from=end&dir=back")
        count.show(f"as of {year}: up to the first later event, and no holes",
                   ahead == list(range(wanted)) and back == list(range(len(back)))[::-1], (ahead, back))


def pages(count, server):
    client = Client(server)
    for n in range(25):
        client.append("page-1", [event(f"p{n}", "Even" if n % 2 == 0 else "Odd", {"n": n}, tags=[f"mod3:{n % 3}"])], "any")
    path = "/api/v1/streams/page-1/events"

    def revisions(query):
        status, page, _ = client.call("GET", path + query)
        return [e["revision"] for e in page["events"]] if status == 200 else (status, page)
    count.show("from, forwards", revisions("?from=20") == [20, 21, 22, 23, 24])
    count.show("from and to", revisions("?from=3&to=5") == [3, 4, 5])
    count.show("backwards from the end", revisions("?from=end&dir=back&limit=3") == [24, 23, 22])
    count.show("backwards from a revision", revisions("?from=2&dir=back") == [2, 1, 0])
    count.show("as of a revision", revisions("?at=2") == [0, 1, 2])
    count.show("as of a revision, backwards", revisions("?at=2&from=end&dir=back&limit=1") == [2])
    status, page, _ = client.call("GET", path + "?limit=10")
    count.show("a page says where to go on", page["next"] == 10 and page["last_revision"] == 24, page)
    count.show("from beyond the end: nothing", revisions("?from=100") == [])
    status, body, _ = client.call("GET", "/api/v1/streams/page-none/events")
    count.show("no such stream", status == 404 and body["code"] == "stream-not-found", (status, body))
    moment = client.events("page-1")[9]["time"]
    seen = revisions("?at=" + moment.replace(":", "%3A"))
    count.show("as of a time: what was there then", seen == [e["revision"] for e in client.events("page-1") if e["time"] <= moment], seen)
    moments(count, client)
    status, _, data = client.raw("GET", path, headers={"Accept": "application/x-ndjson"})
    lines = [json.loads(line) for line in data.splitlines()]
    count.show("NDJSON: all of it", status == 200 and [e["revision"] for e in lines] == list(range(25)), len(lines))
    tagged = client.all_events("&category=page&tag=mod3:1&type=Even")
    count.show("by category, type and tag", [e["data"]["n"] for e in tagged] == [n for n in range(25) if n % 3 == 1 and n % 2 == 0],
               [e["data"] for e in tagged])
    status, page, _ = client.call("GET", "/api/v1/events?category=page&dir=back&limit=4")
    count.show("all, backwards", [e["revision"] for e in page["events"]] == [24, 23, 22, 21], page)
    status, body, _ = client.call("GET", "/api/v1/events?from=p:zzz")
    count.show("a position that nobody gave", status == 400 and "from" in body["detail"], (status, body))
    status, page, _ = client.call("GET", "/api/v1/streams?category=page")
    count.show("streams of a category", [s["stream"] for s in page["streams"]] == ["page-1"], page)
    client.close()


def ends(count, server):
    """Deletion and redaction, on every way to read."""
    client = Client(server)
    client.append("end-1", [event(f"d{n}") for n in range(4)], "no_stream")
    status, _, _ = client.call("DELETE", "/api/v1/streams/end-1", headers={"If-Match": '"r2"'})
    count.show("deletion under a wrong revision: 412", status == 412, status)
    status, _, _ = client.call("DELETE", "/api/v1/streams/end-1?expected=3")
    status_read, body, _ = client.call("GET", "/api/v1/streams/end-1/events")
    count.show("softly deleted: 404", status == 204 and status_read == 404 and body["code"] == "stream-deleted", (status, status_read, body))
    count.show("softly deleted: not in the order of all", not client.all_events("&category=end"))
    status, body, _ = client.append("end-1", [event("d4")], "no_stream")
    count.show("an append revives it at the next revision", status == 201 and body["first_revision"] == 4, (status, body))
    count.show("only what came after is shown", [e["revision"] for e in client.events("end-1")] == [4] and
               [e["revision"] for e in client.all_events("&category=end")] == [4])
    status, body, _ = client.append("end-1", [event("d1")], "any")
    count.show("an id of before is known", status == 200 and body["first_revision"] == 1, (status, body))
    client.call("DELETE", "/api/v1/streams/end-1?hard=true")
    status, body, _ = client.call("GET", "/api/v1/streams/end-1/events")
    again, refused, _ = client.append("end-1", [event("d9")], "any")
    count.show("deleted for ever: 410, and no append", status == 410 and again == 410 and refused["code"] == "stream-tombstoned",
               (status, body, again, refused))
    client.append("end-2", [event(f"r{n}", data={"email": "a@b.c", "keep": n}, tags=["r"]) for n in range(3)])
    client.call("POST", "/api/v1/streams/end-2/events/1/redact", {"reason": "asked", "fields": ["/email"]})
    status, _, _ = client.call("POST", "/api/v1/streams/end-2/events/2/redact", {"reason": "asked"})
    for name, found in (("the stream", client.events("end-2")), ("all", client.all_events("&category=end")),
                        ("by tag", client.all_events("&tag=r")), ("one", [None] + [client.call("GET", f"/api/v1/streams/end-2/events/{n}")[1] for n in (1, 2)])):
        one, whole = found[-2], found[-1]
        count.show(f"redacted when read: {name}", status == 200 and one["data"] == {"email": None, "keep": 1} and
                   one["redacted"] and whole["redacted"] and whole["data"] is None, (one, whole))
    client.call("PATCH", "/api/v1/streams/end-2", {"max_count": 1})
    count.show("max_count hides the older ones", [e["revision"] for e in client.events("end-2")] == [2] and
               [e["revision"] for e in client.all_events("&category=end")] == [2])
    client.close()


def states(count, server):
    client = Client(server)
    status, body, _ = client.call("PUT", "/api/v1/folds/account?file=account.yaml", FOLD, {"Content-Type": "application/yaml"})
    count.show("a fold is declared", status == 201, (status, body))
    status, body, _ = client.call("PUT", "/api/v1/folds/account?file=account.yaml", FOLD.replace("increment", "incremnet"),
                                  {"Content-Type": "application/yaml"})
    count.show("a wrong one is refused with its line", status == 422 and body["code"] == "definition-invalid" and
               "account.yaml:11" in body["detail"], (status, body))
    client.append("account-1", [event("o", "Opened", {"owner": "Ann"})], "no_stream")
    for n in range(40):
        client.append("account-1", [event(f"a{n}", "Deposited" if n % 4 else "Withdrawn", {"amount": n})], n)

    def balance(upto):
        return sum(n if n % 4 else -n for n in range(upto))
    status, state, _ = client.call("GET", "/api/v1/streams/account-1/state")
    count.show("the state now", status == 200 and state["state"] == {"balance": balance(40), "owner": "Ann"} and state["revision"] == 40, state)
    status, state, _ = client.call("GET", "/api/v1/streams/account-1/state?at=7")
    count.show("the state at a revision", state["state"]["balance"] == balance(7) and state["revision"] == 7, state)
    moment = client.events("account-1")[20]["time"]
    status, state, _ = client.call("GET", "/api/v1/streams/account-1/state?at=" + moment.replace(":", "%3A"))
    count.show("the state at a time", state["state"]["balance"] == balance(state["revision"]) and state["revision"] >= 20, state)
    for _ in range(100):
        status, snapshot, _ = client.call("GET", "/api/v1/streams/account-1/snapshot?schema=account-1")
        if status == 200 and snapshot["revision"] >= 39:
            break
        time.sleep(0.05)
    count.show("the fold keeps a snapshot by itself", status == 200 and snapshot["state"]["balance"] == balance(snapshot["revision"]), snapshot)
    status, page, _ = client.call("GET", "/api/v1/streams/account-1/events?snapshot=auto&schema=account-1")
    count.show("a read from the snapshot on", page["snapshot"]["revision"] == snapshot["revision"] and
               [e["revision"] for e in page["events"]] == list(range(snapshot["revision"] + 1, 41)), page.get("snapshot"))
    client.append("snap-1", [event(f"s{n}") for n in range(6)])
    put = "/api/v1/streams/snap-1/snapshot"
    first = client.call("PUT", put, {"revision": 3, "schema": "S.v1", "state": {"n": 3}})[0]
    stale, body, _ = client.call("PUT", put, {"revision": 2, "schema": "S.v1", "state": {"n": 2}})
    ahead = client.call("PUT", put, {"revision": 9, "schema": "S.v1", "state": {"n": 9}})[0]
    count.show("a snapshot is written; an older one and one ahead of the stream are refused",
               first == 204 and stale == 409 and body["code"] == "snapshot-stale" and ahead >= 400, (first, stale, ahead))
    told = subprocess.run([server.binary, "stream", "snapshot", "snap-1", '{"a":1}', "--fold", "f", "--http", server.http],
                          capture_output=True, text=True, timeout=20, check=False)
    count.show("a state and a fold to make one of are not taken together", told.returncode != 0 and "exclude each other" in told.stderr, told)
    status, page, _ = client.call("GET", "/api/v1/streams/snap-1/events?snapshot=auto&schema=S.v2")
    count.show("a snapshot of another schema is not used", "snapshot" not in page and len(page["events"]) == 6, page)
    harmed = [client.call("POST", "/api/v1/streams/snap-1/events/3/redact", {"reason": "asked"})[0],
              client.call("GET", f"{put}?schema=S.v1")[0], client.call("PUT", put, {"revision": 2, "schema": "S.v1", "state": {"n": 2}})[0]]
    page = client.call("GET", "/api/v1/streams/snap-1/events?snapshot=auto&schema=S.v1")[1]
    count.show("one that a redaction has made unusable does not refuse an older one", harmed == [200, 404, 204] and
               page["snapshot"]["state"] == {"n": 2} and len(page["events"]) == 3, (harmed, page))
    client.call("PUT", "/api/v1/upcasts/money", {"upcasts": [{"from": "Paid.v1", "to": "Paid.v2", "default": {"/data/currency": "'EUR'"}}]})
    client.append("pay-1", [event("u1", "Paid.v1", {"amount": 5}), event("u2", "Paid.v2", {"amount": 6, "currency": "USD"})])
    seen = [(e["type"], e["data"].get("currency")) for e in client.events("pay-1")]
    count.show("old events are read in their newest form", seen == [("Paid.v2", "EUR"), ("Paid.v2", "USD")], seen)
    client.close()


def changed_rules(count, server):
    """A fold's rules change, and change back: what one form has folded is never taken for the other's."""
    client = Client(server)
    for n in range(25):
        client.append("tally-1", [event(f"t{n}", "Counted", {"n": n})], "any")
    for rule, factor, before in (("/data/n", 1, 25), ("/data/n + /data/n", 2, 25), ("/data/n", 1, 37)):
        status, body, _ = client.call("PUT", "/api/v1/folds/tally?file=tally.yaml", TALLY.replace("RULE", rule),
                                      {"Content-Type": "application/yaml"})
        for n in range(before, before + 12):  # so that a snapshot is made under these rules
            client.append("tally-1", [event(f"t{n}", "Counted", {"n": n})], "any")
        wanted = factor * sum(range(client.events("tally-1")[-1]["revision"] + 1))
        time.sleep(0.3)
        _, state, _ = client.call("GET", "/api/v1/streams/tally-1/state")
        count.show(f"the state under the rule {rule} is that of all events", status in (200, 201) and state["state"]["sum"] == wanted,
                   (status, body, state, wanted))
    client.close()


def old_forms(count, server):
    """Upcasts are tried on the whole log before they are declared."""
    client = Client(server)
    client.append("form-1", [event("f1", "Form.v1", {"name": "Ann Lee", "price": 2}), event("f2", "Form.v1", {"name": "Bo", "price": 3}),
                             event("f3", "Form.v3", {"names": {"first": "Cy"}, "cents": 4})])
    path = os.path.join(server.work, "form.yaml")

    def tried(text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return subprocess.run([server.binary, "stream", "upcast", path, "--against-log", "-o", "json", "--http", server.http],
                              capture_output=True, text=True, timeout=20, check=False)
    chain = ("upcasts:\n  - from: Form.v1\n    to: Form.v2\n    move: { /data/name: /data/names/first }\n"
             "  - from: Form.v2\n    to: Form.v3\n    set: { /data/cents: /data/price * 100 }\n")
    told = tried(chain)
    count.show("a chain of upcasts fits to every event of the log", told.returncode == 0, told)
    count.show("nothing is declared by trying", [e["type"] for e in client.events("form-1")] == ["Form.v1", "Form.v1", "Form.v3"])
    wrong = tried(chain.replace("/data/price", "/data/prize"))
    count.show("one that does not fit is told with the event", wrong.returncode != 0 and "prize" in wrong.stdout + wrong.stderr, wrong)
    first, second = chain[:chain.index("  - from: Form.v2")], "upcasts:\n" + chain[chain.index("  - from: Form.v2"):]
    client.raw("PUT", "/api/v1/upcasts/cents?file=cents.yaml", second.encode(), {"Content-Type": "application/yaml"})
    told, clash = tried(first), tried(chain)
    count.show("on trial, a chain goes on in a file that is declared", told.returncode == 0 and json.loads(told.stdout)["upcast"] == 2, told)
    count.show("a step that a declared file has is told, with its place", clash.returncode != 0 and "form.yaml:5:11: a second step from 'Form.v2': "
               "the upcasts 'cents' have one, in line 2" in clash.stderr, clash)
    client.raw("PUT", "/api/v1/upcasts/form", first.encode(), {"Content-Type": "application/yaml"})
    seen = [(e["type"], e["data"]["names"]["first"], e["data"]["cents"]) for e in client.events("form-1")]
    count.show("a chain goes through two files", seen == [("Form.v3", "Ann Lee", 200), ("Form.v3", "Bo", 300), ("Form.v3", "Cy", 4)], seen)
    again = tried(first)
    count.show("what is declared may be tried again", again.returncode == 0, again)
    client.close()


def lines(count, server):
    """NDJSON ends with its last chunk, or is no whole answer."""
    client, other = Client(server), Client(server)
    accept = {"Accept": "application/x-ndjson"}
    for path in ("streams/lines-none/events", "streams/noname/events", "events?category=none", "events?store=none", "events?from=p:zzz"):
        page, told = client.raw("GET", "/api/v1/" + path), client.raw("GET", "/api/v1/" + path, headers=accept)
        count.show(f"lines of {path}: the problem of a page", page[0] == told[0] >= 400 and json.loads(told[2])["code"] == json.loads(page[2])["code"], told)
    for part in range(6):
        client.append("cut-1", [event(f"c{part}-{n}", data="x" * 5000) for n in range(300)], "any")
    client.connection.request("GET", "/api/v1/streams/cut-1/events", headers=accept)
    answer = client.connection.getresponse()
    seen = [answer.readline() for _ in range(3)]
    other.call("DELETE", "/api/v1/streams/cut-1")
    try:
        seen += answer.read().splitlines()
        broken = False
    except http.client.IncompleteRead as error:
        seen += error.partial.splitlines()
        broken = True
    client.close()
    count.show("a stream that is deleted while it is read breaks the answer off, with a reason",
               broken and len(seen) < 1800 and json.loads(seen[-1])["problem"]["code"] == "stream-deleted", (broken, len(seen), seen[-1][:200]))
    client.append("told-1", [event("t0")])
    client.call("DELETE", "/api/v1/streams/told-1?hard=true")
    told = client.raw("GET", "/api/v1/subscriptions/live?stream=told-1", headers=accept)[2]
    count.show("a subscription in lines says why it ends", json.loads(told.splitlines()[-1])["closed"]["code"] == "stream-tombstoned", told)
    client.close()
    other.close()


def live(count, server):
    client = Client(server)
    client.append("live-1", [event(f"v{n}") for n in range(5)])
    stream = Stream(server, "/api/v1/subscriptions/live?category=live")
    caught = stream.wait(lambda frames: any(kind == "caught_up" for _, kind, _ in frames))
    count.show("a subscription catches up and says so", stream.status == 200 and caught and len(stream.records()) == 5, stream.frames[-2:])
    client.append("live-2", [event("v5")])
    client.append("other-2", [event("no")])
    client.append("live-1", [event("v6")])
    followed = stream.wait(lambda frames: sum(kind == "record" for _, kind, _ in frames) == 7)
    count.show("and follows", followed and [e["id"] for e in stream.records()] == [f"v{n}" for n in range(7)],
               [e["id"] for e in stream.records()])
    third = stream.frames[2][0]
    stream.close()
    again = Stream(server, "/api/v1/subscriptions/live?category=live", last_id=third)
    again.wait(lambda frames: sum(kind == "record" for _, kind, _ in frames) == 4)
    count.show("Last-Event-ID resumes behind it", [e["id"] for e in again.records()] == ["v3", "v4", "v5", "v6"],
               [e["id"] for e in again.records()])
    again.close()
    one = Stream(server, "/api/v1/subscriptions/live?stream=live-1&from=4")
    one.wait(lambda frames: sum(kind == "record" for _, kind, _ in frames) == 1)
    count.show("one stream, behind a revision", [e["revision"] for e in one.records()] == [5], one.frames)
    client.call("DELETE", "/api/v1/streams/live-1?hard=true")
    closed = one.wait(lambda frames: any(kind == "closed" for _, kind, _ in frames))
    count.show("it ends with the stream, and says why", closed and one.frames[-1][1] in ("closed", "end"), one.frames[-2:])
    one.close()
    begun = time.monotonic()
    status, page, _ = client.call("GET", "/api/v1/subscriptions/live?category=live&wait=10s&limit=2")
    count.show("long poll: a page at once", status == 200 and len(page["events"]) == 2 or len(page["events"]) == 1, page)
    position = client.all_events("&category=live")[-1]["position"]
    begun = time.monotonic()
    status, page, _ = client.call("GET", f"/api/v1/subscriptions/live?category=live&from={position}&wait=1s")
    took = time.monotonic() - begun
    count.show("long poll: nothing comes: an empty page after its time", status == 200 and page["events"] == [] and 0.8 < took < 5, (page, took))
    slow = Stream(server, "/api/v1/subscriptions/live?category=filler")
    slow.wait(lambda frames: len(frames) > 0)
    count.show("the server stops although subscriptions are open", server.stop() == 0)
    slow.close()
    client.close()
    server.start()


def run(count, server):
    pages(count, server)
    ends(count, server)
    states(count, server)
    changed_rules(count, server)
    old_forms(count, server)
    lines(count, server)
    live(count, server)
