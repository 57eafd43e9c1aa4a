"""A bad place to start, and signals at bad moments. Each: a clear message, the right status, nothing lost."""
import os
import random
import re
import shutil
import signal
import struct
import time

import disk
import tiny


def refused(count, name, server, *words, status=1):
    """The start must fail with this status and say these words on standard error."""
    server.spawn()
    ready = server.wait_ready(10)
    ended = server.wait(5) if not ready else None
    server.end(signal.SIGKILL)
    text = server.text()
    count.show(f"{name}: refused with status {status}", not ready and ended == status, f"ready {ready}, status {ended}: {text[-300:]}")
    lines = [line for line in text.splitlines() if line.startswith("leat: ")]
    count.show(f"{name}: the message says what and where", any(all(w in line for w in words) for line in lines), text[-400:])


def filled(binary, folder, log, records=20):
    """A data directory with records in topic t, cleanly stopped."""
    server = tiny.Server(binary, folder, log).start()
    with server.client() as client:
        client.create("t")
        acked = sum(client.produce("t", tiny.batch(b"v%d" % n))[0] == 0 for n in range(records))
    return server.end() == 0 and acked == records


def intact(count, name, binary, folder, log, records=20):
    server = tiny.Server(binary, folder, log)
    status, text = server.verify()
    count.show(f"{name}: verify", status == 0, text)
    server.start()
    with server.client() as client:
        code, end, data = client.fetch("t", 0)
        found = [b for b, _ in tiny.batches(data)]
    count.show(f"{name}: nothing is lost", code == 0 and end == records and found == list(range(records)), f"{code} {end} {len(found)}")
    count.show(f"{name}: a clean stop", server.end() == 0, server.text()[-200:])


def directories(count, binary, work):
    log = work / "place.log"
    good = work / "good"
    count.show("a data directory to spoil", filled(binary, good, log))

    holder = tiny.Server(binary, good, work / "holder.log").start()
    refused(count, "data directory in use", tiny.Server(binary, good, log), "in use", str(holder.process.pid))
    count.show("data directory in use: the first one lives", holder.process.poll() is None)
    host, port = holder.kafka.rsplit(":", 1)
    busy = tiny.Server(binary, work / "busy", log, "--kafka", f"{host}:{port}")
    refused(count, "port taken", busy, port, "in use")
    count.show("data directory in use: a clean stop of the first", holder.end() == 0)

    newer = work / "newer"
    shutil.copytree(good, newer)
    meta = bytearray((newer / "meta").read_bytes())
    meta[8:12] = struct.pack("<I", 99)
    meta[60:64] = struct.pack("<I", tiny.crc32c(meta[:60]))
    (newer / "meta").write_bytes(meta)
    refused(count, "a newer version", tiny.Server(binary, newer, log), "version 99", "newer")
    meta[20] ^= 1
    (newer / "meta").write_bytes(meta)
    refused(count, "a damaged meta file", tiny.Server(binary, newer, log), "meta", "checksum")
    (newer / "meta").unlink()
    refused(count, "a missing meta file", tiny.Server(binary, newer, log), "meta", "missing")
    (newer / "meta").write_bytes((good / "meta").read_bytes())
    intact(count, "after all these refusals", binary, newer, log)

    other = work / "other"
    other.mkdir()
    (other / "diary.txt").write_text("not yours\n")
    refused(count, "somebody else's folder", tiny.Server(binary, other, log), "diary.txt")
    count.show("somebody else's folder: untouched", [p.name for p in other.iterdir() if p.name != "lock"] == ["diary.txt"],
               list(other.iterdir()))
    (work / "file").write_text("x")
    refused(count, "a file for a folder", tiny.Server(binary, work / "file", log), "not a directory")
    refused(count, "a parent that is not there", tiny.Server(binary, work / "no" / "such" / "place", log), "no/such")
    lost_topic(count, binary, work)
    rights(count, binary, work, good, log)


def lost_topic(count, binary, work):
    """The frame of the log that made a topic is damaged: refused with a way on, and nothing else is lost by that."""
    data, log = work / "lost", work / "lost.log"
    server = tiny.Server(binary, data, log).start()
    with server.client() as client:
        client.create("kept")
        client.create("lost")
        records = [tiny.batch(b"v%d" % n) for n in range(20)] + [tiny.batch(os.urandom(100_000))]
        acked = [client.produce(topic, r)[0] for r in records for topic in ("lost", "kept")]
    server.end(signal.SIGKILL)
    ring = data / "wal" / "ring-000"
    with open(ring, "r+b") as f:
        at = f.read().index(struct.pack("<I", 4) + b"lost")
        f.seek(at + 5)
        f.write(b"0")
    count.show("a lost topic: set up", acked == [0] * 42, acked)
    refused(count, "a lost topic", tiny.Server(binary, data, log), str(ring), "is damaged at byte", "batches of it are there")
    text = tiny.Server(binary, data, log).log.read_text()
    option = re.search(r"--set (leat\.start\.without\.log=\d+)", text)
    if not count.show("a lost topic: the hint names the option", option and "restore a backup" in text, text[-400:]):
        return
    server = tiny.Server(binary, data, log, "--set", option.group(1)).start()
    saved = re.search(r"partition\.set_aside .*file=(\S+) batches=21 unreadable=0", server.text())
    with server.client() as client:
        # After damage a partition goes on above all offsets that may have been told: its end moves.
        code, end, found = client.fetch("kept", 0, 8 << 20)
        read = [b for b, _ in tiny.batches(found)]
        count.show("a lost topic: the other one is whole", code == 0 and end >= 21 and read == list(range(21)), (code, end, read))
        count.show("a lost topic: it is gone", client.fetch("lost", 0)[0] == 3)
        count.show("a lost topic: its name is free", client.create("lost") == 0 and client.produce("lost", records[0]) == (0, 0))
    server.end(signal.SIGKILL)
    if count.show("a lost topic: the log says where its batches are", saved, server.text()[-600:]):
        kept = list(tiny.batches((data / saved.group(1)).read_bytes()))
        count.show("a lost topic: its batches are kept", [b for b, _ in kept] == list(range(21))
                   and all(records[n][61:] == kept[n][1] for n in range(21)), len(kept))
    server = tiny.Server(binary, data, log).start()
    with server.client() as client:
        read = [len(list(tiny.batches(client.fetch(topic, 0, 8 << 20)[2]))) for topic in ("kept", "lost")]
    count.show("a lost topic: the next start needs no option", read == [21, 1], read)
    count.show("a lost topic: a clean stop", server.end() == 0)
    status, text = server.verify()
    count.show("a lost topic: verify", status == 0, text)


def rights(count, binary, work, good, log):
    if os.geteuid() != 0:
        count.skip("owned by someone else, read-only", "needs root")
        return
    def nobody():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    theirs = work / "theirs"
    shutil.copytree(good, theirs)
    os.chmod(work, 0o755)
    # The binary may lie where nobody else can reach it.
    program = work / "leat"
    shutil.copy(binary, program)
    os.chmod(program, 0o755)
    refused(count, "owned by someone else, no rights", tiny.Server(program, theirs, log, preexec=nobody), "theirs", "ermission")
    for path in [theirs, *theirs.rglob("*")]:
        os.chmod(path, 0o777 if path.is_dir() else 0o666)
    refused(count, "owned by someone else, though writable", tiny.Server(program, theirs, log, preexec=nobody), "owned by user 0")
    for path in [theirs, *theirs.rglob("*")]:
        os.chown(path, 65534, 65534)
    refused(count, "root on someone else's", tiny.Server(binary, theirs, log), "owned by user 65534")
    for path in [theirs, *theirs.rglob("*")]:
        os.chown(path, 0, 0)
    intact(count, "owned by someone else", binary, theirs, log)
    if not os.environ.get(disk.MARK):
        count.skip("read-only", "no mount namespace here")
        return
    still = work / "still"
    shutil.copytree(good, still)
    disk.run("mount", "--bind", still, still)
    disk.run("mount", "-o", "remount,ro,bind", still)
    refused(count, "read-only", tiny.Server(binary, still, log), "still", "ead-only")
    status, text = tiny.Server(binary, still, log).verify()
    count.show("read-only: verify works", status == 0, text)
    disk.run("umount", still)
    intact(count, "read-only", binary, still, log)


def signals(count, binary, work, seed):
    """SIGTERM and SIGINT at random moments of start, recovery and shutdown, some of them twice."""
    dice, strange, lost = random.Random(seed), [], []
    data, log = work / "signals", work / "signals.log"
    records, first = 0, True
    for number in range(36):
        if number % 12 == 0:
            shutil.rmtree(data, ignore_errors=True)
            records, first = 0, True
        server = tiny.Server(binary, data, log).spawn()
        what = dice.choice((signal.SIGTERM, signal.SIGINT))
        early = number % 3 != 2
        if early:
            time.sleep(dice.random() * (0.08 if first else 0.03))
        elif server.wait_ready(20):
            first = False
            with server.client() as client:
                client.create("t")
                got = [client.produce("t", tiny.batch(b"s"))[0] for _ in range(30)]
                records += got.count(0)
                code, end, _ = client.fetch("t", 0)
                if code or end != records:
                    lost.append(f"{end} of {records}")
            if dice.random() < 0.5:
                server.send_signal(signal.SIGKILL)  # so that the next start recovers
                server.end(signal.SIGKILL)
                continue
        else:
            strange.append(f"not ready: {server.text()[-200:]}")
        server.send_signal(what)
        if dice.random() < 0.4:
            time.sleep(dice.random() * 0.005)
            try:
                server.send_signal(what)  # an impatient operator, during the shutdown
            except ProcessLookupError:
                pass
        status = server.wait(20)
        # Before the program can catch a signal it ends by it, as any program.
        if status not in (0, -what):
            strange.append(f"status {status} after signal {what}: {server.text()[-300:]}")
        if not early and status != 0 and "server.stopped how=clean" not in server.text():
            strange.append(f"status {status} of a running server")
        server.end(signal.SIGKILL)
        status, text = server.verify() if (data / "meta").exists() and not first else (0, "")
        if status:
            strange.append(text)
    count.show(f"signals during start, recovery and shutdown (seed {seed}): status and verify", not strange, strange[:3])
    count.show("signals during start, recovery and shutdown: nothing is lost", not lost, lost)


def main(count, binary, work, seed):
    directories(count, binary, work)
    signals(count, binary, work, seed)
