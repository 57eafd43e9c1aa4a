#!/usr/bin/env python3
"""A share of the corruption sweep (test/sim/corrupt_sweep.c) through the real binary and a real file system.

    corrupt_real.py --binary build/release/leat --harms N --seed N

A data directory is filled through the Kafka protocol and stopped. Then, one harm at a time on a copy: a block of a
segment, an index, an image, the meta file or the ring is flipped, zeroed, cut off or swapped. `leat verify` looks
first; the server starts (or refuses to, with a reason); for every other harm the scrub must tell before anybody
reads; then every batch is fetched and compared with what the unharmed directory gave: the same bytes, or
KAFKA_STORAGE_ERROR for offsets that verify found damaged too, never anything else. Ends with a count line.
"""
import argparse
import os
import pathlib
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

BLOCK = 4096
STORAGE_ERROR = 56
TOPICS = {"small": 1, "mixed": 2}
SETS = ["leat.wal.file.bytes=1048576", "leat.wal.files=3", "leat.tail.memory.bytes=1048576",
        "leat.inline.max.bytes=8192", "log.index.interval.bytes=512"]


class Server:
    def __init__(self, binary, data, scrub):
        scrubbing = ["leat.scrub.interval.ms=1000", "leat.scrub.bytes.per.second=1073741824"]
        sets = SETS + (scrubbing if scrub else ["leat.scrub.bytes.per.second=0"])
        argv = [binary, "serve", "--data", data, "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        argv += [a for s in sets for a in ("--set", s)]
        self.log = open(data + ".log", "w+b")
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline().decode()
        found = re.search(r"kafka=127\.0\.0\.1:(\d+) http=127\.0\.0\.1:(\d+)", line)
        self.ready = found is not None
        if self.ready:
            self.port, self.http = int(found[1]), int(found[2])

    def end(self, signal):
        self.process.send_signal(signal) if self.process.poll() is None else None
        status = self.process.wait(30)
        self.process.stdout.close()
        self.log.seek(0)
        self.said = self.log.read().decode()
        self.log.close()
        return status

    def metric(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=10) as r:
            found = re.search(rf"^{name} (\S+)$", r.read().decode(), re.MULTILINE)
        return float(found[1])


def receive(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            raise AssertionError("the connection was closed")
        data += more
    return data


def fetch(sock, topic, partition, offset):
    """One Fetch (version 4): the error and the bytes of whole batches."""
    body = struct.pack(">iiiib", -1, 0, 0, 1 << 20, 0) + struct.pack(">ih", 1, len(topic)) + topic.encode()
    body += struct.pack(">iiqi", 1, partition, offset, 1 << 20)
    head = struct.pack(">hhih", 1, 4, 7, -1)
    sock.sendall(struct.pack(">i", len(head + body)) + head + body)
    answer = receive(sock, struct.unpack(">i", receive(sock, 4))[0])
    at = 4 + 4 + 4 + 2 + len(topic) + 4 + 4
    error, _, _, aborted = struct.unpack_from(">hqqi", answer, at)
    at += 22 + max(0, aborted) * 16
    n = struct.unpack_from(">i", answer, at)[0]
    return error, answer[at + 4:at + 4 + max(0, n)]


def batches(data):
    at = 0
    while at + 61 <= len(data):
        base, length = struct.unpack_from(">qi", data, at)
        delta = struct.unpack_from(">i", data, at + 23)[0]
        yield base, base + delta + 1, data[at:at + 12 + length]
        at += 12 + length


def read_all(port, known=None):
    """{(topic, partition): [(base, next, bytes)]} and how many batches of `known` answered an error."""
    out, damaged = {}, 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        for topic, parts in TOPICS.items():
            for p in range(parts):
                found, offset = [], 0
                todo = list(known[topic, p]) if known else []
                while True:
                    error, data = fetch(sock, topic, p, offset)
                    if error == STORAGE_ERROR and known:
                        bad = [b for b in todo if b[1] > offset]
                        if not bad:
                            raise AssertionError(f"{topic}-{p}: damage behind the end, offset {offset}")
                        damaged, offset = damaged + 1, bad[0][1]
                        found.append(bad[0][:2] + (None,))
                        continue
                    if error != 0:
                        raise AssertionError(f"{topic}-{p}: offset {offset}: error {error}")
                    got = list(batches(data))
                    if not got:
                        break
                    found += got
                    offset = got[-1][1]
                out[topic, p] = found
    return out, damaged


def compare(known, now):
    for key, want in known.items():
        have = now[key]
        if [b[:2] for b in have] != [b[:2] for b in want]:
            raise AssertionError(f"{key}: {len(have)} batches, {len(want)} were acknowledged")
        for a, b in zip(have, want):
            if a[2] is not None and a[2] != b[2]:
                raise AssertionError(f"{key}: wrong bytes at offset {b[0]}")


def run(*argv, **kw):
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, **kw)


def fill(binary, data, rng):
    server = Server(binary, data, False)
    to = ["--bootstrap", f"127.0.0.1:{server.port}"]
    done = []
    for topic, parts in TOPICS.items():
        done.append(run(binary, "topic", "create", topic, "-p", str(parts), "--set", "segment.bytes=1048576", *to))
        for size, lines, per_batch in ((60, 1500, 10), (900, 1200, 20), (400, 1500, 100)):
            text = "".join(f"{i}:{i:08d}{chr(97 + rng.randrange(26)) * size}\n" for i in range(lines))
            done.append(run(binary, "produce", topic, "-K", ":", "--property", f"batch.num.messages={per_batch}",
                            *to, input=text))
    known, _ = read_all(server.port)
    status = server.end(15)
    if status != 0 or any(d.returncode != 0 for d in done) or not all(known.values()):
        sys.exit(f"could not fill a directory: {status} {server.said} {[d.stderr for d in done if d.returncode]}")
    return known


def harm(path, at, kind, rng):
    data = bytearray(path.read_bytes())
    n = min(BLOCK, len(data) - at)
    if kind == "flip":
        data[at + rng.randrange(n)] ^= 1 << rng.randrange(8)
    elif kind == "zero":
        data[at:at + n] = bytes(n)
    elif kind == "cut":
        del data[at:]
    else:
        other = rng.randrange(max(1, len(data) // BLOCK)) * BLOCK
        a, b = bytes(data[at:at + BLOCK]), bytes(data[other:other + BLOCK])
        if len(a) == BLOCK and len(b) == BLOCK:
            data[at:at + BLOCK], data[other:other + BLOCK] = b, a
    path.write_bytes(data)


def one(binary, origin, known, work, choice, rng, scrub):
    name, at, kind = choice
    data = str(work / "harmed")
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(origin, data)
    harm(pathlib.Path(data) / name, at, kind, rng)
    verify = run(binary, "verify", data)
    if verify.returncode not in (0, 3):
        raise AssertionError(f"verify: status {verify.returncode}: {verify.stderr}")
    server = Server(binary, data, scrub)
    try:
        if not server.ready:
            status = server.end(9)
            if status != 1 or verify.returncode != 3 or "hint" not in server.said or name != "meta":
                raise AssertionError(f"the start was refused: {status}, verify {verify.returncode}: {server.said}")
            return "refused"
        told = 0
        if scrub:
            end = time.monotonic() + 20
            while server.metric("leat_store_scrub_passes_total") < 1:
                if time.monotonic() > end:
                    raise AssertionError("the scrub does not come to an end")
                time.sleep(0.05)
            told = server.metric("leat_store_scrub_damaged_total")
        now, damaged = read_all(server.port, known)
        compare(known, now)
        if (damaged > 0) != (verify.returncode == 3):
            raise AssertionError(f"{damaged} batches are damaged, verify says: {verify.stdout}")
        if scrub and (told > 0) != (damaged > 0):
            raise AssertionError(f"the scrub found {told}, readers {damaged}")
        if damaged and server.metric("leat_store_damaged_ranges") < 1:
            raise AssertionError("no metric says that offsets are damaged")
        return "quarantined" if damaged else "harmless"
    finally:
        if server.process.poll() is None:
            server.end(15)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--binary", required=True)
    p.add_argument("--harms", type=int, default=20)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    rng = random.Random(a.seed)
    outcomes = {"harmless": 0, "quarantined": 0, "refused": 0}
    failed = 0
    with tempfile.TemporaryDirectory(prefix="leat-corrupt-") as folder:
        work = pathlib.Path(folder)
        origin = str(work / "origin")
        known = fill(a.binary, origin, rng)
        kinds = {".seg": [], ".idx": [], "": []}
        for f in sorted(pathlib.Path(origin).rglob("*")):
            name = str(f.relative_to(origin))
            if f.is_file() and name not in ("lock", "reserve") and not name.endswith(".tmp"):
                used = f.stat().st_blocks * 512
                kinds[f.suffix] += [(name, at) for at in range(0, min(f.stat().st_size, used), BLOCK)]
        for i in range(a.harms):
            blocks = kinds[(".seg", ".seg", ".idx", "")[i % 4]]
            # Blocks of the ring are many and mean nothing after a stop: images and meta as often.
            few = [b for b in blocks if not b[0].startswith("wal/")]
            name, at = rng.choice(few if few and rng.randrange(4) else blocks)
            choice = (name, at, rng.choice(("flip", "zero", "cut", "swap")))
            try:
                outcomes[one(a.binary, origin, known, work, choice, rng, i % 2 == 0)] += 1
            except AssertionError as e:
                failed += 1
                print(f"FAIL seed {a.seed}, harm {i}: {name}, byte {at}, {choice[2]}: {e}", flush=True)
    print("real binary: " + ", ".join(f"{n} {what}" for what, n in outcomes.items()))
    print(f"{sum(outcomes.values())} passed, {failed} failed, 0 skipped")
    return failed > 0 or outcomes["quarantined"] == 0


if __name__ == "__main__":
    os.environ.pop("LEAT_BOOTSTRAP", None)
    sys.exit(main())
