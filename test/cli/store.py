"""The commands of streams, folds, upcasts and projections: each of them, its text and its JSON, against leat."""
import json
import os
import pty
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request


def document(done):
    """What was printed, if it is one JSON document; else None."""
    try:
        return json.loads(done.stdout)
    except ValueError:
        return None


class Store:
    """Runs commands against one server; `show` counts what they told."""

    def __init__(self, binary, http, work, show):
        self.binary, self.http, self.work, self.show = binary, http, work, show
        self.called = set()

    def run(self, *words, text=""):
        self.called.add(words[:2])
        env = {**{k: v for k, v in os.environ.items() if not k.startswith("LEAT_")}, "LEAT_HTTP": self.http}
        return subprocess.run([self.binary, *words], input=text, capture_output=True, text=True, env=env, timeout=40, check=False)

    def json(self, *words, text=""):
        """What -o json printed."""
        return document(self.run(*words, "-o", "json", text=text))

    def file(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def put(self, stream, kind, data, when=None, count=1):
        """One event, or more that are alike, with the time that its client says."""
        event = {"type": kind, "data": data, **({"time": when} if when else {})}
        request = urllib.request.Request(f"http://{self.http}/api/v1/streams/{stream}/events", json.dumps({"events": [event] * count}).encode(),
                                         {"Content-Type": "application/json"})
        ends = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != 503 or time.monotonic() > ends:  # 503: it is still starting
                    raise

    def both(self, *words, text="", status=0):
        """What a command that changes nothing says: its text, and its JSON (None: it has none)."""
        done = self.run(*words, text=text)
        return (done.stdout if done.returncode == status else f"status {done.returncode}: {done.stderr}"), self.json(*words, text=text)

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
    forms = ("2026-03-01T11:30+01:00", "2026-03-01 10:30", "2026-03-02", "-1s", "@1772359200123", "2026-03-01", "1969-05-05T10:00Z", "1969-05-05", "2026-3-2",
             "2026-03-01+02:00", "2026-03-01+11:00", "2026-03-01-11:00")
    got = [s.revisions("moment-1", "--at", t) for t in forms]
    s.show("--at takes times as people write them", got == [[0, 1], [0, 1], [0, 1, 2], [0, 1, 2], [], [], [], [], [0, 1, 2], [], [], [0, 1, 2]], got)
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


SHAPED = """
fold: shaped
category: shaped
initial: { n: 0, old: true }
maps:
  - type: Added
    increment: { /n: 1 }
    set: { /by/who: /data/who }
  - type: Cleared
    remove: [/old]
"""


def folded(s):
    """Where a fold is declared, `show` ends with the state and `diff` with what changed in it, both of the moment."""
    s.run("fold", "apply", s.file("shaped.yaml", SHAPED))
    for kind, data, when in (("Added", {"who": "ann"}, "10:00"), ("Added", {"who": "bob"}, "11:00"), ("Cleared", {}, "12:00")):
        s.put("shaped-1", kind, data, f"2026-02-11T{when}:00Z")
    states = {"n": 1, "old": True, "by": {"who": "ann"}}, {"n": 2, "old": True, "by": {"who": "bob"}}, {"n": 2, "by": {"who": "bob"}}
    for words, revision in (((), 2), (("--at", "0"), 0), (("--at", "2026-02-11T11:30Z"), 1), (("--at", "2026-02-11T10:00Z", "--fold", "shaped"), 0)):
        text, told = s.both("stream", "show", "shaped-1", *words)
        events, _, state = text.partition(f"\n\nstate (fold shaped, revision {revision}):\n")
        s.show(f"stream show {' '.join(words)} ends with the state", len(events.splitlines()) == revision + 2 and state.count("\n") == 1 and
               json.loads(state) == states[revision], text)
        s.show("and has it in its JSON", told and len(told["events"]) == revision + 1 and told["state"] == states[revision] and
               "incomplete_before" not in told, told)
    for words, wanted in ((("--from", "0"), ['~ /n: 1 -> 2', '- /old: true', '~ /by/who: "ann" -> "bob"']), (("--from", "2026-02-11T11:30Z"), ["- /old: true"]),
                          (("--from", "0", "--to", "2026-02-11T11:00Z"), ['~ /n: 1 -> 2', '~ /by/who: "ann" -> "bob"']),
                          (("--from", "2019-01-01", "--to", "0"), ["~ /n: 0 -> 1", '+ /by: {"who":"ann"}']), (("--from", "2"), ["  the same"])):
        text = s.run("stream", "diff", "shaped-1", *words).stdout
        s.show(f"stream diff {' '.join(words)} prints what changed", sorted(text.partition("\nstate:\n")[2].splitlines()) == sorted(wanted), text)
    s.run("stream", "truncate", "shaped-1", "--before", "1")
    text, told = s.both("stream", "show", "shaped-1")
    said = "state (fold shaped, revision 2):\nincomplete: the events before revision 1 are hidden, and not in it\n"
    s.show("a state without the hidden events says that it is incomplete", text.partition("\n\n")[2].startswith(said) and told and
           json.loads(text.splitlines()[-1]) == told["state"] == {"n": 1, "by": {"who": "bob"}} and told["incomplete_before"] == 1, (text, told))


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


def streams_by_hand(s):
    """Each command of streams that changes something: what it says, and what is there then."""
    def says(name, done, wanted):
        s.show(name, done.returncode == 0 and re.fullmatch(wanted, done.stdout), done)
    first = ("stream", "append", "hand-1", "Put", '{"n":1}', "-e", "no_stream", "--id", "a", "-t", "kind:new", "--meta", '{"by":"me"}')
    says("stream append", s.run("stream", "append", "hand-1", "Put", '{"n":1}', "-e", "no_stream", "--id", "a", "-t", "kind:new", "--meta", '{"by":"me"}'), "revision 0\n")
    says("stream append, again", s.run(*first), r"revision 0 \(it was there already\)\n")
    told = s.json("stream", "append", "hand-1", "Put", text='{"n":2,"who":"ann"}')
    s.show("stream append of the input, -o json", told and told["last_revision"] == 1, told)
    for n in (3, 4):
        s.put("hand-1", "Put", {"n": n, "who": "bob"})
    text, told = s.both("stream", "show", "hand-1")
    s.show("stream show", re.match(r"REVISION +TIME +TYPE +ID +DATA\n +0 +\S+Z +Put +a +\{\"n\":1\}\n", text) and [e["data"]["n"] for e in told["events"]] == [1, 2, 3, 4] and
           told["events"][0]["tags"] == ["kind:new"], (text, told))
    text, told = s.both("stream", "ls", "hand")
    s.show("stream ls", re.fullmatch(r"STREAM +STATE +FIRST +LAST\nhand-1 +active +0 +3\n", text) and [v["stream"] for v in told["streams"]] == ["hand-1"], (text, told))
    text, told = s.both("stream", "diff", "hand-1", "--from", "2")
    s.show("stream diff", len(text.splitlines()) == 2 and [e["revision"] for e in told["events"]] == [3], (text, told))
    says("stream redact", s.run("stream", "redact", "hand-1", "1", "--reason", "asked", "--field", "/who"), "(erased|redacted.*)\n")
    told = s.json("stream", "redact", "hand-1", "2", "--reason", "asked")
    data = [e["data"] for e in s.json("stream", "show", "hand-1")["events"]]
    s.show("stream redact -o json", told and "erased" in told and data[0] == {"n": 1} and "ann" not in str(data) and data[2] is None, (told, data))
    says("stream truncate", s.run("stream", "truncate", "hand-1", "--before", "1"), "it is active, with revisions 1 to 3\n")
    told = s.json("stream", "truncate", "hand-1", "--before", "3")
    s.show("stream truncate -o json", told and told["first_revision"] == 3 and s.revisions("hand-1") == [3], told)
    refused = s.run("stream", "delete", "hand-1", "--expected", "7")
    s.show("stream delete of another revision is refused", refused.returncode == 1 and s.revisions("hand-1") == [3], refused)
    says("stream delete", s.run("stream", "delete", "hand-1", "--expected", "3"), "deleted\n")
    s.show("it is deleted", s.run("stream", "show", "hand-1").returncode == 1)
    says("and revived by an append", s.run("stream", "append", "hand-1", "Put", "{}"), "revision 4\n")
    told, after = s.json("stream", "delete", "hand-1", "--hard"), s.run("stream", "append", "hand-1", "Put", "{}")
    s.show("stream delete --hard -o json", told == {} and after.returncode == 1 and "tombstoned" in after.stderr, (told, after))


def definitions(s):
    """Folds and upcasts: declared, listed, shown, replaced, taken away."""
    for noun, name, source in (("fold", "seen", FOLD.replace("back", "seen")), ("upcast", "renamed", UPCASTS)):
        file = s.file(f"{name}.yaml", source)
        done = [s.run(noun, "apply", file).stdout for _ in range(2)]
        s.show(f"{noun} apply", done == [f"declared: {name}\n", f"replaced: {name}\n"], done)
        text, told = s.both(noun, "ls")
        s.show(f"{noun} ls", name in text.splitlines() and name in [d["name"] for d in told["definitions"]], (text, told))
        text, told = s.both(noun, "show", name)
        s.show(f"{noun} show", text.strip() == source.strip() and told["name"] == name, (text, told))
        if noun == "upcast":
            s.run("stream", "append", "renamed-1", "Renamed.v1", "{}")
            text, told = s.both("stream", "upcast", file, "--against-log")
            s.show("stream upcast", re.fullmatch(r"\d+ events read, 1 brought into a newer form \(1 events\), 0 failed\n", text) and told["upcast"] == 1, (text, told))
        done = s.run(noun, "delete", name), s.run(noun, "show", name)
        s.show(f"{noun} delete", (done[0].stdout, done[1].returncode) == ("deleted\n", 1), done)


def watched(s):
    """Rows of a view as they change, until Ctrl-C."""
    with subprocess.Popen([s.binary, "projection", "watch", "manual_view", "--http", s.http], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines, n = [], 100

        def read():
            while not lines or lines[-1].startswith("read the view again"):  # what comes first may be that
                lines.append(process.stdout.readline())
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        ends = time.monotonic() + 20
        while reader.is_alive() and time.monotonic() < ends:
            s.put("manual-2", "Put", {"n": (n := n + 1)})
            reader.join(0.2)
        process.send_signal(signal.SIGINT)
        try:
            status = process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            status = "none: it did not end"
    s.called.add(("projection", "watch"))
    s.show("projection watch", status == 0 and lines and re.match(r'upsert \{"id":"2"\} \{"id":"2","n":\d+\}\n', lines[-1]), (status, lines))


SLOW = """
projection: slow
source: { category: slow }
target: sqlite:slow.db
tables:
  slow_view: { columns: { id: text, n: integer }, key: id }
maps:
  - type: Put
    upsert: { table: slow_view, key: { id: $stream_id }, set: { n: $revision } }
    sql:
      statement: UPDATE {slow_view} SET n = (WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 10000) SELECT MAX(i) FROM c) WHERE id = :id
      bind: { id: $stream_id }
"""


def drawn(s):
    """On a terminal a build has a bar, with rate and time left, which goes on to its end. Each event takes a while, each mebibyte of them a transaction."""
    for _ in range(8):
        s.put("slow-1", "Put", {"text": "x" * 16000}, count=64)
    s.run("projection", "apply", s.file("slow.yaml", SLOW), "--follow")
    master, slave = pty.openpty()
    with subprocess.Popen([s.binary, "projection", "rebuild", "slow", "--follow", "--timeout", "60", "--http", s.http], stdout=subprocess.PIPE, stderr=slave, text=True) as process:
        os.close(slave)
        text = ""
        try:
            while more := os.read(master, 4096).decode():
                text += more
        except OSError:  # it has ended
            pass
        out = process.stdout.read()
    os.close(master)
    bars = [re.fullmatch(r"\[(#*)(\.*)\] +(\d+) %  (\d+) events/s  (\?|\d.*) left *", line) for line in text.rstrip().split("\r")[1:]]
    s.show("a bar on a terminal, and nothing else", process.returncode == 0 and out == "rebuilding: slow, version 2\nserving version 2\n" and bars and all(bars) and
           text.endswith("\r\n"), (process.returncode, out, text))
    steps = [(int(m[3]), int(m[4]), m[5]) for m in bars if m]
    s.show("it is as long as what is done", all(len(m[1] + m[2]) == 30 and abs(len(m[1]) - int(m[3]) * 0.3) < 1 for m in bars if m), text)
    s.show("it does not begin at 100 %, never goes back, and ends there", steps and steps[0][0] < 100 and steps[-1][0::2] == (100, "0 s") and
           steps == sorted(steps, key=lambda step: step[0]), steps)
    s.show("with the rate and the time left while it goes", any(0 < done < 100 and rate > 0 and left != "?" for done, rate, left in steps), steps)
    s.run("projection", "delete", "slow")


def projections(s):
    """Each command of projections: what it says, as text and as JSON."""
    text, told = s.both("projection", "template", "event_store", "manual")
    s.show("projection template", "projection:" in text and told["definition"] == text, (text, told))
    s.put("manual-1", "Put", {"n": 1})
    file = s.file("manual.yaml", VIEW.format(name="manual", category="manual", target="sqlite:manual.db") + "switch: manual\nkeep: 1h\n")
    done = s.run("projection", "apply", file, "--follow")
    s.show("projection apply", done.stdout == "declared: manual, version 1\nserving version 1\n", done)
    text, told = s.both("projection", "ls")
    s.show("projection ls", re.match(r"PROJECTION +VERSION +STATE +LAG +SECONDS +EVENTS/S +PARKED\b.*\nmanual +1 +live +0 ", text) and
           [p["name"] for p in told["projections"]] == ["manual"], (text, told))
    text, told = s.both("projection", "show", "manual")
    s.show("projection show", "served: version 1\n" in text and told["served_version"] == 1, (text, told))

    def does(verb, *more):
        words = {"rebuild": "rebuilding", "switch": "serving", "rollback": "serving", "cancel": "cancelled", "pause": "paused", "resume": "resumed"}
        done = s.run("projection", verb, "manual", *more)
        good = (document(done) or {}).get("name") == "manual" if "json" in more else re.match(f"{words[verb]}: manual, version \\d+\\n", done.stdout)
        s.show(f"projection {' '.join((verb, *more))}", done.returncode == 0 and good, done)
        return s.json("projection", "show", "manual")
    for more in ((), ("-o", "json")):
        paused = [does(verb, *more)["paused"] for verb in ("pause", "resume")]
        s.show("it was paused, and goes on", paused == [True, False], paused)
        seen = [len(does(verb, *more)["versions"]) for verb in ("rebuild", "cancel")]
        s.show("a version was built, and is gone", seen == [2, 1], seen)
        does("rebuild", "--follow", *more)
        served = [does(verb, *more)["served_version"] for verb in ("switch", "rollback")]
        s.show("another version was served, and is kept", served[0] > 1 and served[1] == 1, served)
        done = s.run("projection", "drop", "manual", "--version", str(served[0]))
        s.show("projection drop", done.stdout == "dropped\n" and [v["version"] for v in s.json("projection", "show", "manual")["versions"]] == [1], done)
    watched(s)
    text = s.run("projection", "parked", "manual").stdout
    s.show("projection parked, none", text == "nothing is parked\n", text)
    for _ in range(3):
        s.put("manual-3", "Put", {"n": "none"})
    told, ends = {"parked": []}, time.monotonic() + 20
    while [p["events"] for p in told["parked"]] != [3] and time.monotonic() < ends:
        text, told = s.both("projection", "parked", "manual")
    s.show("projection parked", re.match(r"KEY +EVENTS +TYPE +EVENT +REASON\n\S+ +3 +Put +\S+ +.*\bn\b", text) and [p["events"] for p in told["parked"]] == [3], (text, told))
    key = told["parked"][0]["key"] if told["parked"] else "none"
    done = s.run("projection", "retry", "manual", key)
    s.show("projection retry of a key that stays parked", done.returncode == 1 and "key-stays-parked" in done.stderr, done)
    done, told = s.run("projection", "skip", "manual", key), s.json("projection", "skip", "manual", key)
    s.show("projection skip", "1 skipped, 0 applied, 2 still parked\nthe first of them: " in done.stdout and told and (told["skipped"], told["parked_events"]) == (1, 1), (done, told))
    text, told = s.both("projection", "show", "manual")
    s.show("what was skipped is shown", re.search(r" PARKED +SKIPPED\b.*\nmanual( +\S+){5} +1 +2\b", text) and
           [(v["parked_events"], v["skipped_events"]) for v in told["versions"]] == [(1, 2)], (text, told))
    dry, there = s.run("projection", "delete", "manual", "--dry-run"), s.run("projection", "show", "manual")
    done, after = s.run("projection", "delete", "manual"), s.run("projection", "ls")
    s.show("projection delete", dry.stdout == 'would remove it, its tables and its views ["manual_view"]\n' and there.returncode == 0 and
           (done.stdout, after.stdout) == ("deleted\n", "no projections\n"), (dry, done, after))


def everything(s):
    """Every command of these nouns was run."""
    nouns = ("stream", "fold", "upcast", "projection")
    listed = {tuple(line.split()[:2]) for line in s.run("help").stdout.splitlines() if line.startswith("  ") and line.split()[0] in nouns}
    s.show("every command of streams, folds, upcasts and projections was run", len(listed) > 30 and listed <= s.called, sorted(listed - s.called))


def run(binary, http, work, show):
    s = Store(binary, http, work, show)
    for case in (moments, limits, times_that_go_back, folded, snapshots, stalled, nameless, documents, streams_by_hand, definitions, drawn, projections, everything):
        case(s)
