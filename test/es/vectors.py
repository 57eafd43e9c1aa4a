"""Which append is a repetition and which a conflict. One table, tried on streams that are warm, after a clean stop, after a
kill, when their events are in segments that were rolled, and with an index that is made anew from the log."""
import glob
import os
import shutil
import subprocess
import time

from server import Client, event

# (what the stream holds, each with its expected revision; then: ids, expected, status, code or (idempotent, first, last))
SIX = [("e0", "no_stream"), ("e1", 0), ("e2", 1), ("e3", 2), ("e4", 3), ("e5", 4)]
VECTORS = {
    "six": (SIX, [
        (["e0"], "no_stream", 200, (True, 0, 0)),
        (["e0"], "any", 200, (True, 0, 0)),
        (["e3"], 2, 200, (True, 3, 3)),
        (["e5"], "any", 200, (True, 5, 5)),
        (["e0"], 5, 409, "event-id-reused"),
        (["e0"], 6, 409, "revision-conflict"),
        (["e0"], 4, 409, "revision-conflict"),
        (["new"], 4, 409, "revision-conflict"),
        (["e1", "e2"], 0, 200, (True, 1, 2)),
        (["e1", "e3"], 0, 409, None),
        (["e2", "e1"], "any", 409, None),
        (["e3"], "exists", 200, (True, 3, 3)),
        (["e0"], "exists", 409, "event-id-reused"),  # the first event of a stream cannot have expected that there is one
    ]),
    "one": ([("e0", "no_stream")], [
        (["e0"], 0, 409, "event-id-reused"),
        (["e0"], "no_stream", 200, (True, 0, 0)),
        (["f0"], "no_stream", 409, "revision-conflict"),
    ]),
    "pair": ([(("e0", "e1"), "no_stream")], [
        (["e0"], "no_stream", 200, (True, 0, 0)),
        (["e0"], "any", 200, (True, 0, 0)),
        (["e1"], 0, 200, (True, 1, 1)),
        (["e1"], "any", 200, (True, 1, 1)),
        (["e0", "e1"], "no_stream", 200, (True, 0, 1)),
        (["e0", "e1", "e2"], "no_stream", 409, "partial-duplicate"),
        (["e1", "e2"], "any", 409, "partial-duplicate"),
        (["e2", "e0"], "any", 409, "partial-duplicate"),
    ]),
}


def fill(client, count):
    for name, (holds, _) in VECTORS.items():
        for ids, expected in holds:
            ids = ids if isinstance(ids, tuple) else (ids,)
            status, body, _ = client.append(f"vector-{name}", [event(i) for i in ids], expected)
            count.show(f"vector {name}: {ids} at {expected} is appended", status == 201 and not body["idempotent"], (status, body))


def judge(client, count, when):
    for name, (holds, tries) in VECTORS.items():
        stream = f"vector-{name}"
        before = [e["id"] for e in client.events(stream)]
        for ids, expected, wanted, what in tries:
            status, body, _ = client.append(stream, [event(i) for i in ids], expected)
            good = status == wanted
            if good and isinstance(what, tuple):
                good = (body["idempotent"], body["first_revision"], body["last_revision"]) == what
            elif good and what is not None:
                good = body["code"] == what
            count.show(f"vector {name}: {ids} at {expected} {when}", good, (status, body))
        wanted = [i for ids, _ in holds for i in (ids if isinstance(ids, tuple) else (ids,))]
        after = [e["id"] for e in client.events(stream)]
        count.show(f"vector {name}: nothing was appended {when}", before == wanted == after, (before, after))
    status, body, _ = client.append("vector-one", [event("e0", data={"other": 1})], "any")
    count.show(f"an id with other data is refused {when}", status == 409 and body["code"] == "event-id-reused" and
               body["original_revision"] == 0, (status, body))
    status, body, _ = client.append("vector-one", [event("unheard-of"), event("e0")], "any")
    count.show(f"what is there of a partial duplicate is named {when}", status == 409 and
               body["code"] == "partial-duplicate" and body["known"] == [{"event": 1, "revision": 0}], (status, body))


def roll(client, count, server, category="vector"):
    """Each partition's events of the category so far come to lie in segments behind the active one."""
    told = subprocess.run([server.binary, "topic", "config", f"es.{category}", "--set", "segment.ms=1", "-b", server.kafka],
                          capture_output=True, text=True, timeout=20, check=False)
    for n in range(64):
        client.append(f"{category}-roll{n}", [event("roll")], "any")
        time.sleep(0.002)
    client.close()
    clean = server.stop() == 0  # writes what is in memory
    segments = {}
    for path in glob.glob(os.path.join(server.data, "topics", f"es.{category}.*", "*.seg")):
        partition, _, start = os.path.basename(path)[:-4].split("-")
        segments.setdefault(partition, []).append(int(start))
    count.show("the segments are rolled", told.returncode == 0 and clean and segments and all(len(s) > 1 for s in segments.values()),
               (told, clean, segments))
    server.start()


def run(count, server):
    client = Client(server)
    fill(client, count)
    judge(client, count, "warm")
    client.close()
    count.show("a clean stop", server.stop() == 0)
    server.start()
    judge(client, count, "after a clean stop")
    client.close()
    server.kill()
    server.start()
    judge(client, count, "after a kill")
    roll(client, count, server)
    judge(client, count, "in a rolled segment")
    client.close()
    server.kill()
    server.start()
    judge(client, count, "in a rolled segment, after a kill")
    # Other events between, so that the index has more than one run, and truncation, which hides events but forgets no id.
    for n in range(300):
        client.append("vector-filler", [event(f"x{n}-{i}") for i in range(20)])
    client.close()
    server.stop()
    shutil.rmtree(os.path.join(server.data, "derived"))
    server.start()
    judge(client, count, "with a new index")
    status, _, _ = client.call("PATCH", "/api/v1/streams/vector-six", {"truncate_before": 4})
    shown = [e["revision"] for e in client.events("vector-six")]
    again, body, _ = client.append("vector-six", [event("e1")], "any")
    count.show("truncated events are hidden, their ids stay known", status == 200 and shown == [4, 5] and again == 200 and
               body["idempotent"] and body["first_revision"] == 1, (status, shown, again, body))
    client.close()
