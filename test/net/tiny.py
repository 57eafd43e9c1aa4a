"""A tiny Kafka client and a handle on the real binary, for tests that go around every client library.

Old request versions only: they are the shortest to write by hand. One batch of records is built once and sent
often; base offsets are not under its checksum.
"""
import ctypes
import os
import pathlib
import re
import select
import signal
import socket
import struct
import subprocess
import time

PR_SET_PDEATHSIG = 1
CRC = []
for number in range(256):
    for _ in range(8):
        number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
    CRC.append(number)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def varint(value):
    value = value << 1 if value >= 0 else (-value << 1) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def batch(value, key=None):
    """A record batch of one record."""
    record = (b"\0" + varint(0) + varint(0) + (varint(-1) if key is None else varint(len(key)) + key)
              + varint(len(value)) + value + varint(0))
    records = varint(len(record)) + record
    now = int(time.time() * 1000)
    tail = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + records
    return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, crc32c(tail)) + tail


def string(text):
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def request(key, version, body, correlation=1):
    head = struct.pack(">hhi", key, version, correlation) + string("tiny")
    return struct.pack(">i", len(head) + len(body)) + head + body


class Client:
    def __init__(self, address, timeout=20):
        host, port = address.rsplit(":", 1)
        self.link = socket.create_connection((host, int(port)), timeout)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.link.close()

    def exactly(self, count):
        data = bytearray()
        while len(data) < count:
            chunk = self.link.recv(count - len(data))
            if not chunk:
                raise ConnectionError("closed by the server")
            data += chunk
        return bytes(data)

    def call(self, key, version, body):
        self.link.sendall(request(key, version, body))
        size = struct.unpack(">i", self.exactly(4))[0]
        return self.exactly(size)[4:]

    def create(self, topic, partitions=1):
        body = struct.pack(">i", 1) + string(topic) + struct.pack(">ihii", partitions, 1, 0, 0)
        answer = self.call(19, 2, body + struct.pack(">i?", 10000, False))
        return struct.unpack_from(">h", answer, 8 + 2 + len(topic))[0]

    def produce(self, topic, records, acks=-1, partition=0, timeout_ms=10000):
        """(error code, base offset)"""
        body = (struct.pack(">hhii", -1, acks, timeout_ms, 1) + string(topic) + struct.pack(">iii", 1, partition, len(records))
                + records)
        answer = self.call(0, 3, body)
        return struct.unpack_from(">hq", answer, 4 + 2 + len(topic) + 4 + 4)

    def fetch(self, topic, offset, limit=1 << 20, wait=0, partition=0):
        """(error code, high watermark, bytes)"""
        body = struct.pack(">iiiib", -1, wait, 1, limit, 0) + struct.pack(">i", 1) + string(topic)
        answer = self.call(1, 4, body + struct.pack(">iiqi", 1, partition, offset, limit))
        at = 4 + 4 + 2 + len(topic) + 4 + 4
        code, end, _, aborted = struct.unpack_from(">hqqi", answer, at)
        at += 22 + 16 * max(aborted, 0)
        size = struct.unpack_from(">i", answer, at)[0]
        return code, end, answer[at + 4:at + 4 + max(size, 0)]

    def commit(self, group, topic, offset):
        body = (string(group) + struct.pack(">i", -1) + string("") + struct.pack(">q", -1) + struct.pack(">i", 1) + string(topic)
                + struct.pack(">iiq", 1, 0, offset) + string(""))
        answer = self.call(8, 2, body)
        return struct.unpack_from(">h", answer, 4 + 2 + len(topic) + 4 + 4)[0]

    def committed(self, group, topic):
        """(error code, offset)"""
        body = string(group) + struct.pack(">i", 1) + string(topic) + struct.pack(">ii", 1, 0)
        answer = self.call(9, 1, body)
        at = 4 + 2 + len(topic) + 4 + 4
        offset, text = struct.unpack_from(">qh", answer, at)
        return struct.unpack_from(">h", answer, at + 10 + max(text, 0))[0], offset

    def versions(self):
        """The error code of ApiVersions: the cheapest sign of life."""
        return struct.unpack_from(">h", self.call(18, 0, b""))[0]


def batches(data):
    """(base offset, record bytes) of each whole batch of a fetch answer."""
    at = 0
    while at + 61 <= len(data):
        offset, length = struct.unpack_from(">qi", data, at)
        if at + 12 + length > len(data):
            return
        yield offset, data[at + 61:at + 12 + length]
        at += 12 + length


class Server:
    """The real binary. Standard error goes to a file; `text()` is what it said since the last start."""

    def __init__(self, binary, data, log, *arguments, preexec=None, prefix=(), env=None):
        self.binary, self.data, self.log = str(binary), str(data), pathlib.Path(log)
        self.arguments, self.preexec, self.prefix, self.env = list(arguments), preexec, list(prefix), env
        self.process = self.kafka = self.http = None

    def spawn(self):
        parent = os.getpid()

        def child():
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(126)
            if self.preexec:
                self.preexec()

        with open(self.log, "wb") as err:
            self.process = subprocess.Popen(
                [*self.prefix, self.binary, "serve", "--data", self.data, "--kafka", "127.0.0.1:0",
                 "--http", "127.0.0.1:0", *self.arguments],
                stdout=subprocess.PIPE, stderr=err, stdin=subprocess.DEVNULL, preexec_fn=child, env=self.env)
        return self

    def wait_ready(self, timeout=30):
        end, line = time.monotonic() + timeout, b""
        while time.monotonic() < end and not line.endswith(b"\n"):
            if select.select([self.process.stdout], [], [], 0.1)[0]:
                data = os.read(self.process.stdout.fileno(), 1)
                if not data:
                    break
                line += data
        found = re.match(rb"leat: ready kafka=(\S+) http=(\S+)\n", line)
        if found:
            self.kafka, self.http = found.group(1).decode(), found.group(2).decode()
        return bool(found)

    def start(self, timeout=30):
        self.spawn()
        if not self.wait_ready(timeout):
            status = self.end(signal.SIGKILL)
            raise RuntimeError(f"not ready, status {status}: {self.text()[-600:]}")
        return self

    def client(self, timeout=20):
        return Client(self.kafka, timeout)

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=30):
        """The exit status (negative: killed by that signal), or None if it did not end."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def end(self, number=signal.SIGTERM, timeout=30):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.wait(timeout)
        if status is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        return status

    def text(self):
        return self.log.read_text(errors="replace")

    def verify(self):
        done = subprocess.run([self.binary, "verify", self.data], capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    def facts(self):
        """Resident bytes and open descriptors of the process."""
        base = pathlib.Path(f"/proc/{self.process.pid}")
        pages = int((base / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(base / "fd"))


class Count:
    """Passed, failed, skipped, in the words of a part."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def show(self, name, good, detail=""):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f"ok {name}" if good else f"FAIL {name}: {detail}", flush=True)
        return bool(good)

    def skip(self, name, reason):
        self.skipped += 1
        print(f"SKIP {name}: {reason}", flush=True)

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        raise SystemExit(self.failed > 0)


def build(tier_targets=()):
    """Builds the release binary (and programs) of this checkout; the path of the binary, or None and why."""
    folder = os.environ.get("LEAT_BUILD", "build")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-s", "QUIET=1", "-j" + os.environ.get("LEAT_JOBS", "2"), f"BUILD={folder}",
                           "V=release", "build", *tier_targets], capture_output=True, text=True, env=environ, check=False)
    binary = pathlib.Path(folder, "release", "leat")
    if done.returncode != 0 or not os.access(binary, os.X_OK):
        return None, (done.stdout + done.stderr)[-2000:] or "no binary"
    return binary.resolve(), ""
