"""Read models that run while the server is killed, or while the disk under it loses its power; and their judge.

What a database holds is looked at twice: as the crash left it, before the server starts again, and when it has caught up. Each
time it must be a fold of the log up to its own checkpoint: every event once, no event from beyond the log. The judge is tested
with planted faults, and with a projector of our own (`python3 models.py apart HTTP FILE`) that commits its rows and its
checkpoint one after the other: the same kills must find it out.
"""
import collections
import http.client
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from server import Client, event

WRITERS = 4
CATEGORY, NOTES = "scene", "scenenote"
DEFINITION = """projection: {name}
version: 1
source: {{ category: scene }}
target: {target}
tables:
  {name}_seen: {{ columns: {{ id: text, times: integer }}, key: id }}
  {name}_sums: {{ columns: {{ stream: text, events: integer, total: integer }}, key: stream }}
maps:
  - type: "*"
    increment:
      - {{ table: {name}_seen, key: {{ id: $id }}, by: {{ times: 1 }} }}
      - {{ table: {name}_sums, key: {{ stream: $key }}, by: {{ events: 1, total: /data/n }} }}
  - type: Marked
    live_only: {{ name: note, stream: "'scenenote-{name}'", type: "'Noted'", data: {{ of: $id }} }}
"""
CREATE_APART = ("CREATE TABLE IF NOT EXISTS leat_checkpoint (projection, version, shard PRIMARY KEY, position);"
                "CREATE TABLE IF NOT EXISTS apart_seen__v1 (id PRIMARY KEY, times);"
                "CREATE TABLE IF NOT EXISTS apart_sums__v1 (stream PRIMARY KEY, events, total);")


class Snapshot:
    """What a database holds: positions by partition, times by event, (events, total) by stream."""

    def __init__(self):
        self.positions, self.times, self.sums = {}, {}, {}

    def fill(self, positions, times, sums):
        self.positions = {int(shard.rsplit("/", 1)[1]): int(position) for shard, position in positions}
        self.times = {ident: int(n) for ident, n in times}
        self.sums = {stream: (int(events), int(total)) for stream, events, total in sums}
        return self

    def applied(self):
        return sum(self.positions.values())


def tables(name):
    return (f"SELECT shard, position FROM leat_checkpoint WHERE projection = '{name}'",
            f"SELECT id, times FROM {name}_seen__v1", f"SELECT stream, events, total FROM {name}_sums__v1")


class Sqlite:
    """A file; it is read from a copy, so that nothing is recovered before the server does it."""

    def __init__(self, name, path):
        self.name, self.path, self.target = name, pathlib.Path(path), f"sqlite:{name}.db"

    def snapshot(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder, "copy.db")
            for end in ("", "-wal"):
                if pathlib.Path(f"{self.path}{end}").exists():
                    shutil.copy(f"{self.path}{end}", f"{copy}{end}")
            db = sqlite3.connect(copy)
            try:
                there = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
                if not {"leat_checkpoint", f"{self.name}_seen__v1", f"{self.name}_sums__v1"} <= there:
                    return Snapshot()  # all of it is gone, or not made yet
                return Snapshot().fill(*(db.execute(sql).fetchall() for sql in tables(self.name)))
            finally:
                db.close()


class Log:
    """The events of the category, by partition, in their order, as a reader of the topic finds them."""

    def __init__(self, client, older=None):
        """older: what was read before and is not read again"""
        topic = f"/api/v1/topics/es.{CATEGORY}"
        self.partitions = {}
        for p in client.call("GET", topic)[1]["partitions"]:
            found = list(older.partitions.get(p["partition"], ())) if older else []
            offset = found[-1][0] + 1 if found else 0
            while offset < p["end_offset"]:
                page = client.call("GET", f"{topic}/records?partition={p['partition']}&offset={offset}&limit=1000")[1]
                found += [(r["offset"], next(h["value"] for h in r["headers"] if h["name"] == "ce_id"), r["key"], r["value"]["n"])
                          for r in page["records"]]
                offset = page["next_offset"]
            self.partitions[p["partition"]] = found

    def fold(self, positions=None):
        """times, sums of all events, or of those below the positions"""
        times, sums = collections.Counter(), {}
        for partition, events in self.partitions.items():
            for offset, ident, stream, n in events:
                if positions is None or offset < positions.get(partition, 0):
                    times[ident] += 1
                    count, total = sums.get(stream, (0, 0))
                    sums[stream] = (count + 1, total + n)
        return dict(times), sums

    def end(self, partition):
        events = self.partitions.get(partition)
        return events[-1][0] + 1 if events else 0


def judge(log, snapshot):
    """What is wrong with a snapshot, in words."""
    wrong = [f"ahead of the log: partition {p} at {at}, the log ends at {log.end(p)}"
             for p, at in snapshot.positions.items() if at > log.end(p)]
    times, sums = log.fold(snapshot.positions)
    wrong += [f"event {i} counted {snapshot.times.get(i, 0)} times, not {times.get(i, 0)}"
              for i in sorted(set(times) | set(snapshot.times)) if times.get(i) != snapshot.times.get(i)]
    wrong += [f"sum of {s} is {snapshot.sums.get(s)}, not {sums.get(s)}"
              for s in sorted(set(sums) | set(snapshot.sums)) if sums.get(s) != snapshot.sums.get(s)]
    return wrong


def judge_kept(older, log):
    """What was read once is read again, in its place."""
    return [f"partition {p}: {len(events)} events that were read have changed" for p, events in older.partitions.items()
            if log.partitions.get(p, [])[:len(events)] != events]


def judge_log(log, acked):
    """What was acknowledged is there once, and nothing is there twice."""
    times = log.fold()[0]
    return ([f"acknowledged {i} is there {times.get(i, 0)} times" for i in acked if times.get(i) != 1] +
            [f"{i} is there {n} times" for i, n in times.items() if n != 1])


def judge_notes(log, kinds, notes):
    """Each marked event has its note once."""
    marked, noted = [i for i in log.fold()[0] if kinds(i) == "Marked"], set(notes)
    return ([f"{n} notes of {i}" for i, n in collections.Counter(notes).items() if n != 1 or kinds(i) != "Marked"] +
            [f"no note of {i}" for i in marked if i not in noted])


def self_test(count):
    """The judge accepts what is right and names each planted fault."""
    log = object.__new__(Log)
    log.partitions = {0: [(0, "a", "s", 1), (1, "b", "s", 2)], 1: [(0, "c", "t", 4)]}

    def snapshot(positions, times, sums):
        made = Snapshot()
        made.positions, made.times, made.sums = positions, times, sums
        return made
    good = [snapshot({}, {}, {}), snapshot({0: 1, 1: 0}, {"a": 1}, {"s": (1, 1)}),
            snapshot({0: 2, 1: 1}, {"a": 1, "b": 1, "c": 1}, {"s": (2, 3), "t": (1, 4)})]
    count.show("the judge of read models accepts nothing, a part and all", not any(judge(log, s) for s in good))
    bad = {
        "a checkpoint ahead of the rows": snapshot({0: 2, 1: 0}, {"a": 1}, {"s": (1, 1)}),
        "a checkpoint behind the rows": snapshot({0: 0, 1: 0}, {"a": 1}, {"s": (1, 1)}),
        "a checkpoint ahead of the log": snapshot({0: 3}, {"a": 1, "b": 1}, {"s": (2, 3)}),
        "an event counted twice": snapshot({0: 2}, {"a": 2, "b": 1}, {"s": (3, 4)}),
        "an event from nowhere": snapshot({0: 2}, {"a": 1, "b": 1, "x": 1}, {"s": (2, 3)}),
        "a sum that is not the rows'": snapshot({0: 2}, {"a": 1, "b": 1}, {"s": (2, 4)}),
        "rows that are gone": snapshot({0: 2, 1: 1}, {}, {}),
    }
    for name, s in bad.items():
        count.show(f"the judge of read models finds {name}", judge(log, s) != [])
    count.show("the judge of the log finds a loss and a double", judge_log(log, ["a", "d"]) != [] and judge_log(log, ["a"]) == [])
    older = object.__new__(Log)
    older.partitions = {0: log.partitions[0][:1], 1: log.partitions[1]}
    count.show("the judge of the log finds what has changed since it was read", judge_kept(older, log) == [] and
               judge_kept(log, older) != [])
    log.partitions[1].append((1, "a", "s", 1))
    count.show("the judge of the log finds an event that is there twice", judge_log(log, ["b"]) != [])
    marked = lambda i: "Marked" if i == "c" else "Counted"  # noqa: E731
    count.show("the judge of notes finds none, two and a wrong one", judge_notes(log, marked, ["c"]) == [] and all(
        judge_notes(log, marked, notes) for notes in ([], ["c", "c"], ["c", "b"])))


def kind_of(ident):
    return "Marked" if int(ident.rsplit("-", 1)[1]) % 5 == 0 else "Counted"


class Writer(threading.Thread):
    """Appends under the revision of its own stream; sends again what got no answer."""

    def __init__(self, server, me, seed):
        super().__init__(daemon=True)
        self.server, self.me, self.chance = server, me, random.Random(seed * 100 + me)
        self.acked, self.errors, self.stop, self.position = [], [], threading.Event(), None

    def run(self):
        client, n, following = Client(self.server, 5), 0, "no_stream"
        while not self.stop.is_set():
            idents = [f"w{self.me}-{n + i}" for i in range(self.chance.choice((1, 1, 1, 2, 20)))]
            events = [event(i, kind_of(i), {"n": int(i.rsplit("-", 1)[1]) + 1}) for i in idents]
            while not self.stop.is_set():
                try:
                    status, body, _ = client.append(f"{CATEGORY}-{self.me}", events, following)
                except (OSError, http.client.HTTPException):
                    client.close()
                    self.stop.wait(0.05)
                    continue
                if status in (200, 201):
                    self.acked += idents
                    self.position, following, n = body["position"], body["last_revision"], n + len(idents)
                    break
                if status not in (429, 500, 503):  # 500: the disk is gone
                    self.errors.append((idents, status, body))
                    return
                self.stop.wait(0.02)
            self.stop.wait(self.chance.uniform(0, 0.004))
        client.close()


class Scene:
    """Writers, read models and the projector that is wrong, beside whatever else the server does."""

    def __init__(self, server, models, seed, apart_file):
        self.server, self.models, self.seed = server, models, seed
        self.apart = Sqlite("apart", apart_file)
        self.apart_process, self.wrong, self.left, self.before = None, [], [], {}
        self.taken_back = self.judged = self.lag = 0
        self.writers, self.log = [], None

    def begin(self, count):
        client = Client(self.server)
        for m in self.models:
            status, body, _ = client.call("PUT", f"/api/v1/projections/{m.name}", DEFINITION.format(name=m.name, target=m.target),
                                          {"Content-Type": "application/yaml"})
            count.show(f"a read model is declared: {m.name}", status in (200, 201), body)
        client.close()
        self.writers = [Writer(self.server, i, self.seed) for i in range(WRITERS)]
        for w in self.writers:
            w.start()
        self.start_apart()

    def start_apart(self):
        self.apart_process = subprocess.Popen([sys.executable, __file__, "apart", self.server.http, str(self.apart.path)],
                                              stdin=subprocess.DEVNULL)

    def before_crash(self):
        """What a read model said of itself just before."""
        client = Client(self.server)
        for m in self.models:
            status, body, _ = client.call("GET", f"/api/v1/projections/{m.name}")
            if status == 200 and body["versions"]:
                self.before[m.name] = sum(s["next_offset"] for s in body["versions"][0]["shards"])
        client.close()
        self.kill_apart()

    def kill_apart(self):
        """Between its two commits, if it comes there soon."""
        ends = time.monotonic() + 1
        while not self.window().exists() and time.monotonic() < ends:
            time.sleep(0.002)
        self.apart_process.kill()
        self.apart_process.wait()
        self.window().unlink(missing_ok=True)

    def window(self):
        return pathlib.Path(f"{self.apart.path}.window")

    def look(self):
        """The databases as the crash left them; the server does not run."""
        self.left = [(m, m.snapshot()) for m in self.models]
        for m, s in self.left:
            self.taken_back += s.applied() < self.before.get(m.name, 0)

    def started(self):
        client = Client(self.server)
        acked = [i for w in self.writers for i in list(w.acked)]
        self.log = log = Log(client, self.log)
        client.close()
        self.wrong += judge_log(log, acked)
        for m, s in self.left:
            self.wrong += [f"{m.name}: {text}" for text in judge(log, s)]
            self.judged += 1
            self.lag = max(self.lag, sum(map(len, log.partitions.values())) - s.applied())
        self.start_apart()

    def caught_up(self, client, limit_s):
        position = max(w.position or "start" for w in self.writers)
        return {m.name: client.call("GET", f"/api/v1/projections/{m.name}/wait?at_least={urllib.parse.quote(position)}"
                                    f"&timeout={limit_s}s")[1] for m in self.models}

    def notes(self, client, name, enough):
        """What the read model appended; as soon as it is enough."""
        ends, notes = time.monotonic() + 10, []
        while time.monotonic() < ends:
            notes = [e["data"]["of"] for e in client.events(f"{NOTES}-{name}") or []]
            if enough(notes):
                break
            time.sleep(0.05)
        return notes

    def finish(self, count, what):
        for w in self.writers:
            w.stop.set()
        for w in self.writers:
            w.join(30)
        client = Client(self.server)
        status = self.caught_up(client, 20)
        log = Log(client)
        self.wrong += judge_kept(self.log, log)
        acked = [i for w in self.writers for i in w.acked]
        count.show(f"{what}: no writer was refused", not any(w.errors for w in self.writers), [w.errors for w in self.writers])
        count.show(f"{what}: acknowledged appends are there once ({len(acked)} events)",
                   len(acked) > 100 and judge_log(log, acked) == [], judge_log(log, acked)[:3])
        count.show(f"{what}: {self.judged} databases as they were left are folds of the log up to their checkpoints "
                   f"({self.taken_back} had gone back, up to {self.lag} events behind the log)", self.wrong == [], self.wrong[:5])
        for m in self.models:
            s = m.snapshot()
            wrong = judge(log, s)
            count.show(f"{what}: {m.name} catches up by itself and counts each of {len(s.times)} events once",
                       status[m.name].get("caught_up") is True and s.applied() == len(log.fold()[0]) and wrong == [],
                       (status[m.name], s.applied(), wrong[:5]))
            notes = self.notes(client, m.name, lambda found: judge_notes(log, kind_of, found) == [])
            count.show(f"{what}: each of {len(notes)} marked events has its note of {m.name} once",
                       notes != [] and judge_notes(log, kind_of, notes) == [], judge_notes(log, kind_of, notes)[:5])
        self.finish_apart(count, what, log)
        client.close()

    def finish_apart(self, count, what, log):
        ends = time.monotonic() + 10
        while self.apart.snapshot().applied() < len(log.fold()[0]) and time.monotonic() < ends:
            time.sleep(0.1)
        self.kill_apart()
        found = judge(log, self.apart.snapshot())
        count.show(f"{what}: a projector that commits its checkpoint apart is found out", found != [], "nothing was wrong with it")

    def end(self):
        for w in self.writers:
            w.stop.set()
        if self.apart_process is not None and self.apart_process.poll() is None:
            self.kill_apart()


# ---- The projector that is wrong -------------------------------------------------------------------------------

def apply_apart(db, client, partition, window):
    """One step: rows, then (a little later) the checkpoint."""
    row = db.execute("SELECT position FROM leat_checkpoint WHERE shard = ?", (f"es/{partition}",)).fetchone()
    offset = row[0] if row else 0
    page = client.call("GET", f"/api/v1/topics/es.{CATEGORY}/records?partition={partition}&offset={offset}&limit=500")[1]
    if not page["records"]:
        return False
    for r in page["records"]:
        ident = next(h["value"] for h in r["headers"] if h["name"] == "ce_id")
        db.execute("INSERT INTO apart_seen__v1 VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET times = times + 1", (ident,))
        db.execute("INSERT INTO apart_sums__v1 VALUES (?, 1, ?) ON CONFLICT (stream) DO UPDATE SET events = events + 1, "
                   "total = total + excluded.total", (r["key"], r["value"]["n"]))
    db.commit()
    window.touch()
    time.sleep(0.05)
    db.execute("INSERT INTO leat_checkpoint VALUES ('apart', 1, ?, ?) ON CONFLICT (shard) DO UPDATE SET position = "
               "excluded.position", (f"es/{partition}", page["next_offset"]))
    db.commit()
    window.unlink()
    return True


def apart(address, path):
    client = Client(type("Address", (), {"http": address}))
    db = sqlite3.connect(path)
    db.executescript(CREATE_APART)
    window = pathlib.Path(f"{path}.window")
    while os.getppid() != 1:
        try:
            topic = client.call("GET", f"/api/v1/topics/es.{CATEGORY}")[1]
            moved = [apply_apart(db, client, p["partition"], window) for p in topic["partitions"] if p["end_offset"] > 0]
        except (OSError, KeyError, ValueError, http.client.HTTPException):
            client.close()
            moved = []
        if not any(moved):
            time.sleep(0.02)


if __name__ == "__main__" and sys.argv[1:2] == ["apart"]:
    apart(sys.argv[2], sys.argv[3])
