"""The commands of streams, folds, upcasts and projections: each of them, its text and its JSON, against leat."""
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request


class Store:
    """Runs commands against one server; `show` counts what they told."""

    def __init__(self, binary, http, work, show):
        self.binary, self.http, self.work, self.show = binary, http, work, show

    def run(self, *words, text=""):
        env = {k: v for k, v in os.environ.items() if not k.startswith("LEAT_")}
        return subprocess.run([self.binary, *words, "--http", self.http], input=text, capture_output=True, text=True, env=env, timeout=40, check=False)

    def json(self, *words, text=""):
        """What -o json printed, if it is one document; else None."""
        done = self.run(*words, "-o", "json", text=text)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return None

    def file(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def put(self, stream, kind, data, when=None):
        """One event, with the time that its client says."""
        event = {"type": kind, "data": data, **({"time": when} if when else {})}
        request = urllib.request.Request(f"http://{self.http}/api/v1/streams/{stream}/events", json.dumps({"events": [event]}).encode(),
                                         {"Content-Type": "application/json"})
        ends = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != 503 or time.monotonic() > ends:  # 503: it is still starting
                    raise

    def revisions(self, *words):
        return [e["revision"] for e in (self.json("stream", "show", *words) or {"events": [{"revision": "no JSON"}]})["events"]]


def moments(s):
    """A time means what it says, to the digit."""
    times = ("2026-03-01T10:00:00.123456Z", "2026-03-01T10:00:00.123457Z", "2026-03-01T12:00:00+01:00")
    for when in times:
        s.put("moment-1", "At", {}, when)
    shown = [e["time"] for e in s.json("stream", "show", "moment-1")["events"]]
    got = [s.revisions("moment-1", "--at", t) for t in shown]
    s.show("the TIME of an event, given back as --at, is the moment of that event", got == [[0], [0, 1], [0, 1, 2]], (shown, got))
    forms = ("2026-03-01T11:30+01:00", "2026-03-01 10:30", "2026-03-02", "-1s", "@1772359200123", "2026-03-01", "1969-05-05T10:00Z", "1969-05-05", "2026-3-2")
    got = [s.revisions("moment-1", "--at", t) for t in forms]
    s.show("--at takes times as people write them", got == [[0, 1], [0, 1], [0, 1, 2], [0, 1, 2], [], [], [], [], [0, 1, 2]], got)
    for text in ("noon", "-30000d", "2026-03-01T10:00:00ZZ"):
        done = s.run("stream", "show", "moment-1", "--at", text)
        s.show(f"--at {text} is refused, with what to write", done.returncode == 2 and text in done.stderr and "hint: write" in done.stderr, done)


def limits(s):
    """What is left off is told."""
    for n in range(3):
        s.put("page-1", "At", {"n": n})
        s.put(f"page-more{n}", "At", {})
    for words, member, first in ((("show", "page-1"), "next", 2), (("ls", "page"), "next_cursor", None)):
        cut, whole = s.run("stream", *words, "-n", "2"), s.run("stream", *words)
        s.show(f"stream {words[0]} says that there are more", cut.returncode == 0 and len(cut.stdout.splitlines()) == 3 and
               cut.stderr.startswith("leat: 2 shown, there are more: --limit") and whole.returncode == 0 and not whole.stderr, (cut, whole))
        told, rest = s.json("stream", *words, "-n", "2"), s.json("stream", *words, "-n", "4" if first is None else "3")
        s.show(f"stream {words[0]} -o json says where they begin", told.get(member) and first in (None, told[member]) and member not in rest, (told, rest))


FOLD = """
fold: back
category: back
initial: { n: 0 }
maps:
  - type: Added
    increment: { /n: 1 }
"""


def times_that_go_back(s):
    """Where clients' times go back, a moment is the same for the events, the state, a difference and a snapshot."""
    declared = s.run("fold", "apply", s.file("back.yaml", FOLD))
    for year in (2020, 2030, 2022, 2022, 2022):
        s.put("back-1", "Added", {}, f"{year}-01-01T00:00:00Z")
    told = s.json("stream", "diff", "back-1", "--from", "2025-01-01") or {"events": []}
    s.show("a difference has the events that change the state", [e["revision"] for e in told["events"]] == [1, 2, 3, 4] and
           (told["before"], told["after"]) == ({"n": 1}, {"n": 5}), (declared, told))
    told = s.json("stream", "diff", "back-1", "--from", "1", "--to", "2"), s.json("stream", "diff", "back-1", "--from", "2019-01-01")
    s.show("and between revisions, and from before all", [[e["revision"] for e in t["events"]] for t in told] == [[2], [0, 1, 2, 3, 4]], told)
    done = s.run("stream", "snapshot", "back-1", '{"n":1}', "--at", "2025-01-01", "--schema", "mine")
    s.show("a snapshot is of the revision of its moment", done.stdout == "snapshot of revision 0 written, schema mine\n", done)


def snapshots(s):
    """Each schema has its own; --fold writes under the fold's; what has no effect is refused."""
    s.run("fold", "apply", s.file("kept.yaml", FOLD.replace("back", "kept").replace("initial", "snapshot_every: 0\ninitial")))
    for _ in range(3):
        s.put("kept-1", "Added", {})
    s.put("bare-1", "Added", {})
    own = s.run("stream", "snapshot", "kept-1")
    s.show("no snapshot: which schema the fold's own have", own.returncode == 1 and re.search(r"hint: .*'kept'.* --schema kept-[0-9a-f]{16}\n", own.stderr), own)
    bare = s.run("stream", "snapshot", "bare-1")
    s.show("no snapshot and no fold: that there are schemas", bare.returncode == 1 and "snapshot-not-found" in bare.stderr and "--schema TAG" in bare.stderr, bare)
    wrote, told = s.run("stream", "snapshot", "kept-1", "--fold", "kept", "--at", "1"), s.json("stream", "snapshot", "kept-1", "--schema", "kept")
    s.show("--fold writes under the fold's schema", wrote.stdout == "snapshot of revision 1 written, schema kept\n" and told and
           (told["revision"], told["schema"], told["state"]) == (1, "kept", {"n": 2}), (wrote, told))
    wrote = s.run("stream", "snapshot", "kept-1", "--fold", "kept", "--schema", "other")
    shown = s.run("stream", "snapshot", "kept-1", "--schema", "other")
    s.show("or the one that was named", wrote.stdout.endswith("schema other\n") and shown.stdout.startswith("revision 2, schema other, ") and
           shown.stdout.endswith('{"n":3}\n'), (wrote, shown))
    wrote, shown = s.run("stream", "snapshot", "kept-1", "-", text='{"by":"hand"}'), s.json("stream", "snapshot", "kept-1")
    s.show("a state that was given goes under default", wrote.returncode == 0 and shown and (shown["schema"], shown["state"]) == ("default", {"by": "hand"}), (wrote, shown))
    for words, what in ((("--at", "1"), "--at"), (("{}", "--fold", "kept"), "exclude each other")):
        done = s.run("stream", "snapshot", "kept-1", *words)
        s.show(f"snapshot {' '.join(words)} is refused", done.returncode == 2 and what in done.stderr, done)


VIEW = """
projection: {name}
version: 1
source: {{ category: {category} }}
target: {target}
tables:
  {name}_view: {{ columns: {{ id: text, n: integer }}, key: id }}
maps:
  - type: Put
    upsert: {{ table: {name}_view, key: {{ id: $stream_id }}, set: {{ n: /data/n }} }}
"""


def stalled(s):
    """A build that does not go on is no broker that is away."""
    done = s.run("projection", "apply", s.file("stalled.yaml", VIEW.format(name="stalled", category="away", target="sqlite:not_there/x.db")),
                 "--follow", "--timeout", "1")
    s.show("a build that does not go on: status 1, and where to look", done.returncode == 1 and "does not go on" in done.stderr and
           "leat projection show stalled says why" in done.stderr, done)
    s.run("projection", "delete", "stalled")


UPCASTS = """
upcasts:
  - from: Renamed.v1
    to: Renamed.v2
    default: { /data/currency: "'EUR'" }
"""


def nameless(s):
    """What is called by its file's name cannot come from the input."""
    for words in (("upcast", "apply", "-"), ("stream", "upcast", "-", "--against-log")):
        done = s.run(*words, text=UPCASTS)
        s.show(f"{' '.join(words)} is refused", done.returncode == 2 and "hint: give a file" in done.stderr and not done.stdout, done)


def documents(s):
    """-o json is one document, whatever the command does; nothing is done by --dry-run."""
    for n in range(3):
        s.put("doc-1", "Put", {"n": n, "who": "ann"})
    there = {"stream": "doc-1", "first_revision": 0, "last_revision": 2}
    for words, wanted in ((("truncate", "doc-1", "--before", "1"), {"truncate_before": 1}), (("delete", "doc-1"), {"hard": False}),
                          (("delete", "doc-1", "--hard"), {"hard": True})):
        told = s.json("stream", *words, "--dry-run") or {}
        s.show(f"stream {' '.join(words)} --dry-run -o json", told.get("dry_run") is True and {k: told["stream"][k] for k in there} == there and
               {k: told.get(k) for k in wanted} == wanted, told)
    told = s.json("stream", "redact", "doc-1", "1", "--reason", "asked", "--field", "/who", "--dry-run") or {}
    s.show("stream redact --dry-run -o json", (told.get("dry_run"), told.get("fields")) == (True, ["/who"]) and told["event"]["data"] == {"n": 1, "who": "ann"}, told)
    s.show("and nothing was done", s.revisions("doc-1") == [0, 1, 2])
    file = s.file("docs.yaml", VIEW.format(name="docs", category="doc", target="sqlite:docs.db"))
    for words in (("apply", file), ("rebuild", "docs")):
        told = s.json("projection", *words, "--follow")
        s.show(f"projection {words[0]} --follow -o json is the last status", told and told["name"] == "docs" and told["served_version"] in (1, 2) and
               "live" in [v["state"] for v in told["versions"]], told)
    s.run("projection", "delete", "docs")
    good, told = s.run("projection", "check", file, "--against-log"), s.json("projection", "check", file, "--against-log")
    s.show("projection check of what fits", good.returncode == 0 and "3 events read, 3 applied, 0 parked\n" in good.stdout and told and told["applied"] == 3, (good, told))
    s.put("doc-2", "Put", {"n": "none"})
    bad, told = s.run("projection", "check", file, "--against-log"), s.json("projection", "check", file, "--against-log")
    s.show("projection check fails where events would be parked", bad.returncode == 1 and "1 parked\n" in bad.stdout and "1 events would be parked" in bad.stderr and
           told and told["parked_events"] == 1, (bad, told))


def run(binary, http, work, show):
    s = Store(binary, http, work, show)
    moments(s)
    limits(s)
    times_that_go_back(s)
    snapshots(s)
    stalled(s)
    nameless(s)
    documents(s)
