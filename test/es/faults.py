"""The server is killed while writers append: what was acknowledged is there, once, in the right place; an append over two streams
is there whole or not at all."""
import http.client
import random
import threading

from register import Register
from server import Client, event

WRITERS = 8
KILLS_MORE = 40  # at most, until an answer of the register's was lost


def writer(me, server, acked, stop, errors):
    """Appends to a stream of its own under its revision, and pairs to two streams at once; sends again what got no answer."""
    client, next_revision, n, half = Client(server), 0, 0, False
    while not stop.is_set():
        ident = f"k{me}-{n}"
        try:
            if not half:
                status, body, _ = client.append(f"kill-{me}", [event(ident)], "no_stream" if next_revision == 0 else next_revision - 1)
                if status in (200, 201):
                    acked.append((f"kill-{me}", ident, body["first_revision"]))
                    next_revision = body["first_revision"] + 1
                    half = True
                elif status != 503:
                    errors.append((ident, status, body))
                    return
                else:
                    continue
            status, body, _ = client.call("POST", "/api/v1/append", {"records": [
                event(ident + "a", stream=f"pair-a{me}"), event(ident + "b", stream=f"pairb-b{me}")]})
            if status in (200, 201):
                acked.append((f"pair-a{me}", ident + "a", None))
                acked.append((f"pairb-b{me}", ident + "b", None))
                n, half = n + 1, False
            elif status != 503:
                errors.append((ident, status, body))
                return
        except (OSError, http.client.HTTPException):
            client.close()
            stop.wait(0.05)


def run(count, server, kills, seed, scene):
    """scene: read models that are judged beside it (models.py)."""
    chance = random.Random(seed)
    acked, errors, stop = [], [], threading.Event()
    lists = [[] for _ in range(WRITERS)]
    threads = [threading.Thread(target=writer, args=(i, server, lists[i], stop, errors)) for i in range(WRITERS)]
    for t in threads:
        t.start()
    register = Register(server, "register-2")
    scene.begin(count)
    done = 0
    while done < kills or (done < kills + KILLS_MORE and register.count(None) == 0):
        done += 1
        stop.wait(chance.uniform(0.05, 0.6))
        scene.before_crash()
        server.kill()
        scene.look()
        server.start()
        scene.started()
    stop.wait(0.3)
    stop.set()
    for t in threads:
        t.join()
    register.end()
    scene.finish(count, f"{done} kills (seed {seed})")
    register.judge(count, f"a register over {done} kills (seed {seed})")
    count.show("and answers of its writers were lost", register.count(None) > 0)
    for one in lists:
        acked += one
    client = Client(server)
    streams = {s for s, _, _ in acked}
    there = {s: client.events(s) for s in streams}
    places = {(s, e["id"]): e["revision"] for s in streams for e in there[s] or []}
    lost = [a for a in acked if places.get(a[:2]) is None or a[2] not in (None, places[a[:2]])]
    count.show(f"{kills} kills: no writer was refused (seed {seed})", not errors, errors[:3])
    count.show(f"{kills} kills: everything acknowledged is there, where it was said ({len(acked)} events, seed {seed})",
               len(acked) > 100 and not lost, (len(acked), lost[:3]))
    doubled = [s for s in streams if len({e["id"] for e in there[s]}) != len(there[s])]
    gaps = [s for s in streams if [e["revision"] for e in there[s]] != list(range(len(there[s])))]
    count.show("nothing is there twice, no revision is missing", not doubled and not gaps, (doubled, gaps))
    torn = []
    for i in range(WRITERS):
        a = {e["id"][:-1] for e in there.get(f"pair-a{i}") or []}
        b = {e["id"][:-1] for e in there.get(f"pairb-b{i}") or []}
        torn += list(a ^ b)
    count.show("appends over two streams are whole", not torn, torn[:3])
    everything = client.all_events("&category=kill")
    count.show("the order of all has the same events", sorted((e["stream"], e["id"]) for e in everything) ==
               sorted((s, e["id"]) for s in streams if s.startswith("kill-") for e in there[s]), len(everything))
    client.close()
