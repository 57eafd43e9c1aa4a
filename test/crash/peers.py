"""Power cuts on what others have: Apache Kafka as shipped, Redis with appendfsync everysec and always, and leat beside them.

Every one gets the same: an ext4 of its own with default options, one client that keeps a window of numbered messages in flight,
the same ioctl. The disk is flushed once before the load, so that what was set up is not what is lost. A message is lost if it was
acknowledged before the cut began and is not in the unbroken, unchanged row that is read afterwards. Its age is the time from its
acknowledgement to the cut.
"""
import array
import base64
import ctypes
import glob
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import uuid

import disk
import tiny

WINDOW = 50
KINDS = 64  # different messages; which one is at a place follows from its number


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def spawn(command, log):
    def child():
        ctypes.CDLL(None).prctl(tiny.PR_SET_PDEATHSIG, signal.SIGKILL)

    with open(log, "ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, preexec_fn=child)


class Peer:
    """A server on a disk of its own. A message is known by its number, from 0 on."""
    per_second = 4000

    def __init__(self, work, size_mib):
        self.disk = disk.Disk(work, size_mib, options="defaults")
        self.work, self.data, self.log = pathlib.Path(work), self.disk.mount_point / "data", pathlib.Path(work) / "log"
        self.process, self.port = None, 0
        self.data.mkdir()
        self.prepare()

    def prepare(self):
        """What is done once, before the first start."""

    def start(self):
        """Starts it; returns when it answers."""
        raise NotImplementedError

    def setup(self, link):
        """What is done once, after the first start."""

    def send(self, link, number):
        raise NotImplementedError

    def receive(self, link):
        """The oldest answer: true if it acknowledges."""
        raise NotImplementedError

    def read(self, link):
        """How many messages are there, from 0 on, without a gap and with the right bytes."""
        raise NotImplementedError

    def connect(self):
        return tiny.Client(f"127.0.0.1:{self.port}", 60)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def wait_for(self, answers, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise OSError(f"it ended with status {self.process.returncode}: {self.last_words()}")
            try:
                if answers():
                    return
            except (OSError, struct.error):
                pass
            time.sleep(0.05)
        raise OSError(f"no answer within {seconds} s: {self.last_words()}")

    def last_words(self):
        return self.log.read_text(errors="replace")[-600:]

    def destroy(self):
        self.kill()
        self.disk.destroy()


class Load:
    """One client, WINDOW messages in flight; when each was acknowledged."""

    def __init__(self, peer, link, first):
        self.peer, self.link, self.first = peer, link, first
        self.acked, self.refused = array.array("d"), 0
        self.stop = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        begin, sent = time.monotonic(), 0
        try:
            while not self.stop:
                due = int((time.monotonic() - begin) * self.peer.per_second) + 1
                while sent < due and sent - len(self.acked) < WINDOW:
                    self.peer.send(self.link, self.first + sent)
                    sent += 1
                if sent > len(self.acked):
                    if not self.peer.receive(self.link):
                        self.refused += 1
                        return  # what follows has no number any more
                    self.acked.append(time.monotonic())
                else:
                    time.sleep(0.001)
        except OSError:
            pass  # the power is off

    def end(self):
        self.stop = True
        self.link.link.close()
        self.thread.join()


class Cut:
    """What one power cut did."""

    def __init__(self, acked, lost, age, ready):
        self.acked, self.lost, self.age, self.ready = acked, lost, age, ready

    def __str__(self):
        loss = f"{self.lost:,} lost, the oldest acknowledged {self.age:.2f} s before the cut" if self.lost else "none lost"
        return f"{self.acked:,} acknowledged, {loss}, answers again after {self.ready:.1f} s"


def cuts(peer, seconds):
    """Cuts the power `seconds[i]` after the load began, one after the other."""
    total = 0
    peer.start()
    with peer.connect() as link:
        peer.setup(link)
    os.sync()
    for length in seconds:
        load = Load(peer, peer.connect(), total)
        time.sleep(length)
        acked, now = len(load.acked), time.monotonic()
        if load.refused or not load.thread.is_alive():
            raise OSError(f"the load ended before the cut: {peer.last_words()}")
        peer.disk.power_off()
        load.end()
        peer.kill()
        peer.disk.unmount()
        peer.disk.mount()
        begin = time.monotonic()
        peer.start()
        ready = time.monotonic() - begin
        with peer.connect() as link:
            found = peer.read(link)
        lost = max(0, total + acked - found)
        kept = max(0, acked - lost)
        yield Cut(acked, lost, now - load.acked[kept] if lost and kept < acked else 0, ready)
        total = found
    peer.destroy()


# ---- What speaks the Kafka protocol ------------------------------------------------------------------------------

class Log(Peer):
    values = [os.urandom(1000) for _ in range(KINDS)]
    ready = []

    def prepare(self):
        if not Log.ready:
            Log.ready += [tiny.batch(v) for v in self.values]

    def setup(self, link):
        code = link.create("t")
        if code:
            raise OSError(f"create: error {code}")
        self.wait_for(lambda: link.fetch("t", 0)[0] == 0, 20)

    def send(self, link, number):
        data = self.ready[number % KINDS]
        body = struct.pack(">hhii", -1, -1, 30000, 1) + tiny.string("t") + struct.pack(">iii", 1, 0, len(data)) + data
        link.link.sendall(tiny.request(0, 3, body))

    def receive(self, link):
        answer = link.exactly(struct.unpack(">i", link.exactly(4))[0])[4:]
        return struct.unpack_from(">h", answer, 4 + 2 + 1 + 4 + 4)[0] == 0

    def read(self, link):
        number = 0
        while True:
            code, end, data = link.fetch("t", number, 8 << 20)
            if code:
                raise OSError(f"fetch at {number}: error {code}")
            before = number
            for base, records in tiny.batches(data):
                if base == number and self.values[number % KINDS] in records:
                    number += 1
            if number >= end or number == before:
                return number


class Leat(Log):
    def __init__(self, work, binary):
        self.binary = binary
        super().__init__(work, 1024)

    def start(self):
        self.port = free_port()
        self.process = spawn([self.binary, "serve", "--data", self.data / "log", "--kafka", f"127.0.0.1:{self.port}",
                              "--http", "127.0.0.1:0"], self.log)
        self.wait_for(self.answers, 30)

    def answers(self):
        with self.connect() as link:
            return link.versions() == 0


class Kafka(Log):
    """As shipped: what is not said here has Kafka's default."""
    jars = pathlib.Path(os.environ.get("LEAT_DEPS_DIR", "build/deps"), "kafka", "libs").resolve()

    def __init__(self, work):
        super().__init__(work, 2048)

    @classmethod
    def version(cls):
        return re.search(r"kafka-clients-([\d.]+)\.jar", " ".join(glob.glob(f"{cls.jars}/*"))).group(1)

    @classmethod
    def missing(cls):
        if not glob.glob(f"{cls.jars}/kafka_*.jar"):
            return f"no Apache Kafka in {cls.jars}: tools/deps.sh kafka"
        return None if shutil.which(os.environ.get("KAFKA_JAVA", "java")) else "no java: tools/deps.sh kafka"

    def java(self, *arguments):
        return [os.environ.get("KAFKA_JAVA", "java"), "-Xms512m", "-Xmx512m", "-Djava.awt.headless=true",
                "-cp", f"{self.jars}/*", *map(str, arguments)]

    def prepare(self):
        super().prepare()
        self.port, controller = free_port(), free_port()
        self.config = self.work / "kafka.properties"
        self.config.write_text(f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={self.data}/logs
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
""")
        name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        with open(self.log, "ab") as out:
            subprocess.run(self.java("kafka.tools.StorageTool", "format", "-t", name, "-c", self.config), stdout=out, stderr=out,
                           check=True)

    def start(self):
        self.process = spawn(self.java("kafka.Kafka", self.config), self.log)
        self.wait_for(self.answers, 90)

    def answers(self):
        with self.connect() as link:
            if link.versions():
                return False
            code = link.fetch("t", 0)[0]
            return code == 0 or (code == 3 and not (self.data / "logs" / "t-0").exists())


# ---- Redis -------------------------------------------------------------------------------------------------------

class Redis(Peer):
    """An append-only file; a list, to which numbered values are appended."""
    per_second = 8000
    size = 256

    def __init__(self, work, fsync):
        self.fsync = fsync
        super().__init__(work, 1024)
        # The server is the program of redis-tools under its other name; the package of that name would also start one.
        self.binary = self.work / "redis-server"
        if not self.binary.exists():
            self.binary.symlink_to(shutil.which("redis-check-rdb"))

    @staticmethod
    def missing():
        return None if shutil.which("redis-check-rdb") else "no redis-check-rdb (redis-tools): tools/deps.sh bench"

    def version(self):
        done = subprocess.run([self.binary, "--version"], capture_output=True, text=True, check=True)
        return re.search(r"v=(\S+)", done.stdout).group(1)

    def start(self):
        self.port = free_port()
        self.process = spawn([self.binary, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.data, "--save", "",
                              "--appendonly", "yes", "--appendfsync", self.fsync], self.log)
        self.wait_for(self.answers, 30)

    def answers(self):
        with self.connect() as link:
            link.link.sendall(b"PING\r\n")
            return link.exactly(7) == b"+PONG\r\n"

    def value(self, number):
        return (b"%016d" % number) * (self.size // 16)

    def send(self, link, number):
        link.link.sendall(b"*3\r\n$5\r\nRPUSH\r\n$3\r\nlog\r\n$%d\r\n%s\r\n" % (self.size, self.value(number)))

    def line(self, link):
        data = b""
        while not data.endswith(b"\r\n"):
            data += link.exactly(1)
        return data[:-2]

    def receive(self, link):
        return self.line(link).startswith(b":")

    def read(self, link):
        number, step = 0, 5000
        frame = len(b"$%d\r\n" % self.size) + self.size + 2
        while True:
            last = number + step - 1
            link.link.sendall(f"LRANGE log {number} {last}\r\n".encode())
            count = int(self.line(link)[1:])
            for _ in range(count):
                if link.exactly(frame)[-self.size - 2:-2] != self.value(number):
                    return number
                number += 1
            if count < step:
                return number
