"""Bad input from peers: each is answered or closed with a reason in the log; the server lives, leaks nothing, serves others.

Cases that take half a minute by nature (a peer that reads nothing, one that sends a byte a second) begin first and
are judged last; the others run meanwhile.
"""
import os
import random
import socket
import struct
import threading
import time

import tiny

STALL_SECONDS = 30


def connect(server):
    host, port = server.kafka.rsplit(":", 1)
    link = socket.create_connection((host, int(port)), 10)
    link.settimeout(10)
    return link


def closed(link, within=10):
    """True if the server closes the connection."""
    link.settimeout(within)
    try:
        while link.recv(65536):
            pass
        return True
    except ConnectionResetError:
        return True
    except OSError:
        return False


def lives(server):
    with server.client(10) as client:
        return client.versions() == 0


def said(server, *words, within=3):
    end = time.monotonic() + within
    while time.monotonic() < end:
        if any(all(w in line for w in words) for line in server.text().splitlines()):
            return True
        time.sleep(0.05)
    return False


def one_shot(count, server, name, data, *words):
    """Sends bytes; the connection must be closed and the log must say why."""
    link = connect(server)
    try:
        link.sendall(data)
        gone = closed(link)
    except OSError:
        gone = True
    link.close()
    count.show(f"{name}: closed", gone)
    count.show(f"{name}: the log says why", said(server, *words), server.text()[-400:])
    count.show(f"{name}: others are served", lives(server))


def first_bytes(count, server):
    one_shot(count, server, "garbage", bytes(range(200, 256)) * 40, "connection.closed", "not Kafka's protocol")
    one_shot(count, server, "HTTP on the Kafka port", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP on the Kafka port")
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(506)
    one_shot(count, server, "TLS on a plain port", hello, "TLS on a plain port")
    before = server.facts()[0]
    one_shot(count, server, "a request of 2 GB", struct.pack(">i", 0x7FFFFFFF) + bytes(1000), "2147483647 bytes",
             "socket.request.max.bytes")
    count.show("a request of 2 GB: takes no memory", server.facts()[0] - before < 16 << 20, server.facts()[0] - before)
    one_shot(count, server, "a negative size", struct.pack(">i", -5) + bytes(100), "connection.closed", "reason=")
    one_shot(count, server, "size zero", struct.pack(">i", 0) + bytes(100), "connection.closed", "reason=")
    one_shot(count, server, "an unknown API", tiny.request(9999, 0, b""), "connection.closed", "9999")
    one_shot(count, server, "an unknown version", tiny.request(3, 999, b""), "connection.closed", "999")
    one_shot(count, server, "a body that ends too early", tiny.request(3, 1, struct.pack(">i", 5)), "connection.closed",
             "reason=")
    one_shot(count, server, "a count of two billion", tiny.request(3, 1, struct.pack(">i", 0x7FFFFFFF)),
             "connection.closed", "reason=")
    one_shot(count, server, "a negative length in a name", tiny.request(3, 1, struct.pack(">ih", 1, -7)),
             "connection.closed", "reason=")
    host, port = server.http.rsplit(":", 1)
    link = socket.create_connection((host, int(port)), 10)
    link.sendall(tiny.request(18, 0, b""))
    count.show("Kafka on the HTTP port: closed or refused", closed(link))
    link.close()
    count.show("Kafka on the HTTP port: others are served", lives(server))


def random_bodies(count, server, seed):
    """Random bytes behind a right frame, for every API: an answer or a closed connection, never more."""
    dice, alive = random.Random(seed), True
    for number in range(400):
        key = dice.choice((0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 32, 33, 35, 37, 42, 43, 44,
                           47, 60, 61, 74, 75))
        body = bytes(dice.choice((0, 0, 0, 1, 2, 0xFF, 0x7F, dice.randrange(256))) for _ in range(dice.randrange(60)))
        link = connect(server)
        try:
            link.sendall(tiny.request(key, dice.randrange(0, 12), body))
            link.settimeout(0.02)
            link.recv(4096)
        except OSError:
            pass
        link.close()
        if number % 100 == 99 and not lives(server):
            alive = False
            break
    count.show(f"400 random requests (seed {seed}): it lives", alive and lives(server), server.text()[-400:])


class Dribblers:
    """Peers that send a request a byte a second."""

    def __init__(self, server, how_many=5):
        self.links = [connect(server) for _ in range(how_many)]
        self.began = time.monotonic()
        self.closed_after = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        data, at = struct.pack(">i", 5000) + bytes(5000), 0
        links = list(self.links)
        while links and time.monotonic() - self.began < STALL_SECONDS + 15:
            for link in list(links):
                try:
                    link.send(data[at:at + 1])
                    link.settimeout(0.01)
                    if link.recv(1) == b"":
                        raise ConnectionError
                except socket.timeout:
                    continue
                except OSError:
                    links.remove(link)
                    self.closed_after.append(time.monotonic() - self.began)
            at += 1
            time.sleep(1)

    def judge(self, count, server):
        self.thread.join(STALL_SECONDS + 20)
        good = len(self.closed_after) == len(self.links) and min(self.closed_after, default=0) > 5
        count.show(f"a byte a second: closed after about {STALL_SECONDS} s", good, self.closed_after)
        count.show("a byte a second: the log says why", said(server, "connection.closed", "reason="), server.text()[-300:])
        for link in self.links:
            link.close()


class Deaf:
    """Peers that ask for much and read nothing."""

    def __init__(self, server, topic, how_many=6):
        self.links, self.began = [], time.monotonic()
        body = (struct.pack(">iiiib", -1, 0, 1, 50 << 20, 0) + struct.pack(">i", 1) + tiny.string(topic)
                + struct.pack(">iiqi", 1, 0, 0, 50 << 20))
        for _ in range(how_many):
            link = connect(server)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.settimeout(1)
            try:
                for number in range(40):
                    link.sendall(tiny.request(1, 4, body, number))
            except OSError:
                pass
            self.links.append(link)

    def judge(self, count, server):
        wait = STALL_SECONDS + 5 - (time.monotonic() - self.began)
        time.sleep(max(wait, 0))
        # Those whose answers were built; the others still wait for memory, which is the other bound.
        closed_by_server = server.text().count("does not read its replies")
        count.show(f"a peer that reads nothing: closed after about {STALL_SECONDS} s", closed_by_server > 0,
                   server.text()[-300:])
        for link in self.links:
            link.close()


def descriptors(count, binary, work):
    """No file descriptors left: connections wait or are refused, others and the log go on, nothing is lost."""
    import resource
    server = tiny.Server(binary, work / "nofile", work / "nofile.log",
                         preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))).start()
    client = server.client()
    client.create("t")
    acked = sum(client.produce("t", tiny.batch(b"before"))[0] == 0 for _ in range(20))
    links = []
    for _ in range(120):
        try:
            links.append(connect(server))
        except OSError:
            break
    time.sleep(0.3)
    codes = []
    for _ in range(50):
        codes.append(client.produce("t", tiny.batch(b"meanwhile"))[0])
    acked += codes.count(0)
    count.show("no descriptors left: who is connected is served", set(codes) == {0}, set(codes))
    count.show("no descriptors left: it lives", server.process.poll() is None, server.text()[-300:])
    count.show("no descriptors left: the log says so", said(server, "connection.refused"), server.text()[-300:])
    # Some are kept for the store.
    code = client.create("more")
    count.show("no descriptors left: a new topic is made", code == 0, code)
    for link in links:
        link.close()
    good = False
    for _ in range(50):
        try:
            good = lives(server)
            break
        except OSError:
            time.sleep(0.1)
    count.show("descriptors are back: new connections are served", good, server.text()[-300:])
    code, end, _ = client.fetch("t", 0)
    count.show("no descriptors left: nothing is lost", (code, end) == (0, acked), f"{code} {end} of {acked}")
    client.link.close()
    count.show("no descriptors left: a clean stop", server.end() == 0, server.text()[-300:])
    status, text = server.verify()
    count.show("no descriptors left: verify", status == 0, text)
    tight = tiny.Server(binary, work / "nofile2", work / "nofile2.log",
                        preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (7, 7))).spawn()
    ready = tight.wait_ready(10)
    status = tight.end(15)
    count.show("no descriptors to start with: status 1 and a reason", not ready and status == 1
               and "open files" in tight.text(), f"{ready} {status} {tight.text()[-300:]}")


def run(count, binary, work, seed):
    server = tiny.Server(binary, work / "peers", work / "peers.log").start()
    with server.client() as client:
        client.create("t")
        value = os.urandom(900_000)
        ready = tiny.batch(value)
        acked = sum(client.produce("t", ready)[0] == 0 for _ in range(60))
    lives(server)
    resident, files = server.facts()
    dribblers = Dribblers(server)
    deaf = Deaf(server, "t")
    time.sleep(0.5)
    grown = server.facts()[0] - resident
    count.show("peers that read nothing: memory is bounded", grown < 600 << 20, f"{grown >> 20} MiB")
    begin = time.monotonic()
    with server.client() as client:
        acked += sum(client.produce("t", tiny.batch(b"x"))[0] == 0 for _ in range(20))
    took = time.monotonic() - begin
    count.show("peers that read nothing: others are served in time", took < 2, f"20 produces took {took:.1f} s")
    first_bytes(count, server)
    random_bodies(count, server, seed)
    descriptors(count, binary, work)
    yield  # the caller does other things meanwhile
    deaf.judge(count, server)
    dribblers.judge(count, server)
    time.sleep(0.5)
    now, open_files = server.facts()
    # Segment files stay open; connections must not.
    count.show("all bad peers: no descriptor leaks", open_files <= files + 4, f"{files} before, {open_files} after")
    # The allocator keeps what was freed; a leak shows when the same happens again.
    again = Deaf(server, "t")
    time.sleep(1)
    for link in again.links:
        link.close()
    time.sleep(0.5)
    more = server.facts()[0] - now
    count.show("all bad peers: no memory leaks", more < 48 << 20, f"{more >> 20} MiB more after a second time, {(now - resident) >> 20} MiB after the first")
    with server.client() as client:
        code, end, data = client.fetch("t", 0, 1 << 20)
        good = code == 0 and end == acked and value in data
    count.show("all bad peers: nothing is lost", good, f"{code} {end} of {acked}")
    count.show("all bad peers: a clean stop", server.end() == 0, server.text()[-300:])
    status, text = server.verify()
    count.show("all bad peers: verify", status == 0, text)
