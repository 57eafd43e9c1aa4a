"""A redaction takes the data out of the log: what a Kafka consumer reads, and what is in the files, before and after; also when the
server is killed in between."""
import glob
import http.client
import os
import random
import subprocess
import threading
import time

from server import Client, Server, event

SECRET = "ann.secret@example.org"
CODECS = ("gzip", "snappy", "lz4", "zstd")


def consume(server, binary, topic):
    """The values of a topic as a Kafka consumer gets them, in the order of each partition."""
    got = subprocess.run([binary, "consume", topic, "-b", server.kafka, "-o", "value"], capture_output=True, timeout=30, check=True)
    return got.stdout.decode(errors="replace").splitlines()


def files_with(server, text, where="topics"):
    """Files below a folder of the data directory that hold the bytes."""
    found = []
    for path in glob.glob(os.path.join(server.data, where, "**"), recursive=True):
        if os.path.isfile(path):
            with open(path, "rb") as f:
                if text.encode() in f.read():
                    found.append(os.path.relpath(path, server.data))
    return found


def redact(client, stream, revision, fields=None):
    return client.call("POST", f"/api/v1/streams/{stream}/events/{revision}/redact",
                       {"reason": "asked to be forgotten", **({"fields": fields} if fields else {})})


def produce(binary, server, category, codec):
    """Three events in one compressed batch, from a Kafka producer."""
    lines = "".join('{"email":"%s","n":%d}\n' % (SECRET if n < 2 else "stays@example.org", n) for n in range(3))
    subprocess.run([binary, "produce", f"es.{category}", "-b", server.kafka, "-k", f"{category}-1", "-z", codec,
                    "-H", "leat-expected-version=any", "-H", "ce_type=Happened", "--property", "linger.ms=200"],
                   input=lines, text=True, capture_output=True, timeout=30, check=True)


def one_batch(count, server, binary, client):
    large = "x" * 200000
    client.append("erase-1", [event(f"e{n}", data={"email": SECRET if n != 2 else "stays@example.org", "keep": n}) for n in range(4)])
    client.append("erase-2", [event(f"l{n}", data={"email": SECRET if n == 0 else "stays@example.org", "text": large}) for n in range(2)])
    count.show("a Kafka consumer sees the data before", sum(SECRET in v for v in consume(server, binary, "es.erase")) == 4)
    answers = [redact(client, "erase-1", 0), redact(client, "erase-1", 1, ["/email"]), redact(client, "erase-1", 3, ["/email", "/keep"]),
               redact(client, "erase-2", 0, ["/email"])]
    count.show("redactions are answered as erased", all(a[0] == 200 and a[1]["erased"] for a in answers), answers)
    values = [v.rstrip() for v in consume(server, binary, "es.erase")]
    wanted = ["null", '{"email": null, "keep": 1}', '{"email": "stays@example.org", "keep": 2}', '{"email": null, "keep": null}',
              '{"email": null, "text": "%s"}' % large, '{"email": "stays@example.org", "text": "%s"}' % large]
    count.show("a Kafka consumer sees what is left, and the neighbours as they were", sorted(values) == sorted(wanted),
               [v[:60] for v in values])
    count.show("no file of a topic has the data", not files_with(server, SECRET), files_with(server, SECRET))
    status, body, _ = redact(client, "erase-2", 1, ["/email", "/nope", "/data/mail"])
    count.show("a redaction of fields that are not there is refused, and names them", (status, body["code"], body.get("not_found")) ==
               (400, "field-not-found", ["/nope", "/data/mail"]) and body["hint"] == "the stored data has: email, text", body)
    told = subprocess.run([binary, "stream", "redact", "erase-2", "1", "--field", "/nope", "--reason", "asked", "--http", server.http],
                          capture_output=True, text=True, timeout=30)
    count.show("the command line says the same", told.returncode != 0 and "'/nope'" in told.stderr and "email, text" in told.stderr,
               told.stderr)
    count.show("and nothing was changed", sorted(v.rstrip() for v in consume(server, binary, "es.erase")) == sorted(wanted))
    client.call("POST", "/api/v1/streams/twice-1/events", '{"mail":"a","mail":"b"}', {"ce-type": "T", "Content-Type": "application/json"})
    status, body, _ = redact(client, "twice-1", 0, ["/mail"])
    count.show("a field of data that cannot be told apart: all of it or nothing, and why", status == 400 and body["code"] == "field-not-found" and
               "without fields all of the data is redacted" in body["hint"] and "mail" in body["hint"], (status, body))
    again, body, _ = client.append("erase-1", [event("e0", data={"email": SECRET, "keep": 0})], "any")
    count.show("the append that is erased, sent again: known", again == 200 and body["first_revision"] == 0, (again, body))


def compressed(count, server, binary, client):
    for codec in CODECS:
        category = f"pack{codec}"
        client.call("PUT", f"/api/v1/categories/{category}", {"partitions": 1})
        produce(binary, server, category, codec)
        answers = [redact(client, f"{category}-1", 0), redact(client, f"{category}-1", 1, ["/email"])]
        values = [v.rstrip() for v in consume(server, binary, f"es.{category}")]
        count.show(f"a batch that a producer packed with {codec}", all(a[0] == 200 and a[1]["erased"] for a in answers) and
                   values == ["null", '{"email":null,"n":1}', '{"email":"stays@example.org","n":2}'], (answers, values))


def kills(count, server, binary, rounds, seed):
    """Redactions one after the other; the server is killed at any moment. What was answered is erased, at once and after the next
    start; what was not is whole or erased."""
    chance = random.Random(seed)
    answered, wrong = set(), []
    for n in range(rounds):
        client = Client(server)
        client.append(f"kill-e{n}", [event(f"k{n}-{i}", data={"email": f"{SECRET}-{n}-{i}", "keep": i}) for i in range(30)])

        def work(me=n, client=client):
            try:
                for i in range(30):
                    status, body, _ = redact(client, f"kill-e{me}", i, ["/email"] if i % 2 else None)
                    if status == 200 and body["erased"]:
                        answered.add((me, i))
            except (OSError, http.client.HTTPException):
                client.close()
        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(chance.uniform(0.02, 0.4))
        server.kill()
        thread.join()
        wrong += [a for a in answered if files_with(server, f'{SECRET}-{a[0]}-{a[1]}"')]
        server.start()
    count.show(f"{rounds} kills: what was answered as erased is not in the files ({len(answered)}, seed {seed})",
               answered and not wrong, wrong[:3])
    client = Client(server)
    shown = {(n, e["revision"]): e for n in range(rounds) for e in client.events(f"kill-e{n}")}
    ends = time.monotonic() + 20
    left = [("", 0)]
    while left and time.monotonic() < ends:
        left = [k for k, e in shown.items() if e.get("redacted") and files_with(server, f'{SECRET}-{k[0]}-{k[1]}"')]
    count.show("a start carries out what the kill cut off", not left, left[:3])
    values = [v.rstrip() for v in consume(server, binary, "es.kill")]
    odd = [k for k, e in shown.items() if not e.get("redacted") and e["data"] != {"email": f"{SECRET}-{k[0]}-{k[1]}", "keep": k[1]}]
    count.show("the others are as they were", not odd and len(values) == 30 * rounds and not any("\x00" in v for v in values), odd[:3])
    client.close()


def run(count, binary, work, gate, seed):
    server = None
    try:
        work.mkdir()
        server = Server(binary, work, "--set", "leat.checkpoint.ms=500")
        client = Client(server)
        one_batch(count, server, binary, client)
        compressed(count, server, binary, client)
        server.kill()
        server.start()
        client = Client(server)
        values = consume(server, binary, "es.erase")
        count.show("after a kill and a start nobody sees it either", not any(SECRET in v for v in values) and
                   not files_with(server, SECRET) and len(values) == 6, (len(values), files_with(server, SECRET)))
        ends = time.monotonic() + 20
        while files_with(server, SECRET, "") and time.monotonic() < ends:
            time.sleep(0.1)
        count.show("nor has any other file of the data directory, two checkpoints later", not files_with(server, SECRET, ""),
                   files_with(server, SECRET, ""))
        client.close()
        kills(count, server, binary, 20 if gate else 2, seed)
        count.show("a clean stop", server.stop() == 0)
        checked = subprocess.run([binary, "verify", server.data], capture_output=True, text=True, check=False)
        count.show("leat verify finds nothing", checked.returncode == 0 and "all is well" in checked.stdout, checked.stdout[-300:])
    finally:
        if server is not None:
            server.end()
