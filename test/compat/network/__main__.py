"""leat as others reach it: from another network namespace, and through a port that is mapped to it.

  python3 test/compat/network build/release/leat

What must hold: a client is told the address on which it connected, or the one given with
--advertise; listening beyond loopback without authentication needs --insecure-allow-anonymous; a
record written through one address is read through the other. The client is kcat, because it shows
the address of each broker.
"""

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

READY = re.compile(r"^leat: ready kafka=(\S+):(\d+) http=(\S+):(\d+)$")
NETWORK = "10.231.77"


class Report:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, name, good, seen=""):
        if good:
            self.passed += 1
            print("ok %s" % name)
        else:
            self.failed += 1
            print("FAIL %s: %s" % (name, seen))

    def skip(self, name, reason):
        self.skipped += 1
        print("SKIP %s: %s" % (name, reason))

    def last_line(self):
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped))
        return 1 if self.failed else 0


class Leat:
    """One `leat serve` with a data folder of its own, ended on leaving the `with` block."""

    def __init__(self, binary, kafka, *more):
        self.data = tempfile.mkdtemp(prefix="leat-network-")
        self.log = open(os.path.join(self.data, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [binary, "serve", "--data", os.path.join(self.data, "data"), "--kafka", kafka, "--http", "127.0.0.1:0", *more],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], 20)
        match = READY.match(self.process.stdout.readline().strip()) if ready else None
        self.port = int(match.group(2)) if match else None

    def complaint(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8") as source:
            return source.read()

    def __enter__(self):
        return self

    def __exit__(self, *_details):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()
        shutil.rmtree(self.data, ignore_errors=True)


class Forwarder:
    """A mapped port, as a container engine makes one: bytes go to and fro, nothing is understood."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.target = None
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target)
            except OSError:
                near.close()
                continue
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        for each in (one, other):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.server.close()


def kcat(address, *arguments, feed=None, inside=None):
    prefix = ["ip", "netns", "exec", inside] if inside else []
    done = subprocess.run([*prefix, "kcat", "-b", address, "-m", "10", *arguments], input=feed, capture_output=True,
                          text=True, timeout=40, check=False)
    return done.stdout


def told(address, inside=None):
    """The broker addresses in the metadata that a client gets at `address`."""
    try:
        return [each["name"] for each in json.loads(kcat(address, "-L", "-J", inside=inside))["brokers"]]
    except ValueError:
        return []


def round_trip(report, name, address, inside=None, read_at=None, read_inside=None):
    topic = "t-" + re.sub(r"[^a-z0-9]+", "-", name)
    kcat(address, "-P", "-t", topic, feed="one\ntwo\n", inside=inside)
    read = kcat(read_at or address, "-C", "-t", topic, "-e", "-q", inside=read_inside)
    report.check(name, read.split() == ["one", "two"], read)


def mapped_port(report, binary):
    forwarder = Forwarder()
    mapped = "127.0.0.1:%d" % forwarder.port
    with Leat(binary, "127.0.0.1:0", "--advertise", mapped) as leat:
        if leat.port is None:
            report.check("leat starts with --advertise", False, leat.complaint())
            return
        forwarder.target = ("127.0.0.1", leat.port)
        report.check("a mapped port: clients are told --advertise", told(mapped) == [mapped], told(mapped))
        round_trip(report, "a mapped port: produce and consume", mapped)
    forwarder.close()


def refusal(report, binary):
    with Leat(binary, "0.0.0.0:0") as leat:
        text = leat.complaint()
        report.check("beyond loopback without a word: refused", leat.port is None and leat.process.wait(10) != 0, "it started")
        report.check("the refusal names the option", "--insecure-allow-anonymous" in text, text)


def namespace(report, binary):
    name = "leat%d" % os.getpid()
    outside, inside = "lo%d" % (os.getpid() % 100000), "li%d" % (os.getpid() % 100000)
    steps = [["ip", "netns", "add", name],
             ["ip", "link", "add", outside, "type", "veth", "peer", "name", inside],
             ["ip", "link", "set", inside, "netns", name],
             ["ip", "addr", "add", NETWORK + ".1/24", "dev", outside],
             ["ip", "link", "set", outside, "up"],
             ["ip", "-n", name, "addr", "add", NETWORK + ".2/24", "dev", inside],
             ["ip", "-n", name, "link", "set", inside, "up"]]
    try:
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                report.skip("another network namespace", "%s: %s" % (" ".join(step[:3]), done.stderr.strip()))
                return
        with Leat(binary, "0.0.0.0:0", "--insecure-allow-anonymous") as leat:
            if leat.port is None:
                report.check("leat starts on 0.0.0.0", False, leat.complaint())
                return
            report.check("the permission is logged", "insecure" in leat.complaint().lower(), leat.complaint())
            near, far = "127.0.0.1:%d" % leat.port, "%s.1:%d" % (NETWORK, leat.port)
            report.check("over loopback: told loopback", told(near) == [near], told(near))
            report.check("from the namespace: told the address used", told(far, name) == [far], told(far, name))
            round_trip(report, "written in the namespace, read over loopback", far, name, near)
            round_trip(report, "written over loopback, read in the namespace", near, None, far, name)
    finally:
        subprocess.run(["ip", "link", "del", outside], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def main():
    report = Report()
    binary = sys.argv[1]
    if not os.access(binary, os.X_OK):
        report.check("leat is built", False, "there is no " + binary)
    elif not shutil.which("kcat"):
        report.skip("network", "kcat is not installed")
    else:
        mapped_port(report, binary)
        refusal(report, binary)
        if os.geteuid() != 0:
            report.skip("another network namespace", "only root may make one")
        elif not shutil.which("ip"):
            report.skip("another network namespace", "ip is not installed (package iproute2)")
        else:
            namespace(report, binary)
    return report.last_line()


if __name__ == "__main__":
    sys.exit(main())
