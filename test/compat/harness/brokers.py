"""Starts and stops the two brokers that are compared: `leat` and a real Apache Kafka.

Each broker offers two addresses: `direct`, and `cut`, the address of a proxy (proxy.py) in front of
it which the broker also advertises to those who come through it. Kafka does this with two listeners
of one process. `leat --advertise` is one address for a whole server, so for the scenarios that need
the proxy a second, separate `leat` runs behind it.
"""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time

from proxy import Proxy

KAFKA_VERSION = "4.3.1"
CLUSTER_ID = "bGVhdC1jb21wYXQtMDAwMQ"


def keep_few(work, name, keep=3):
    """Each run has a folder of its own, so that two runs do not meet; those of older runs go away."""
    def number(path):
        return os.path.getmtime(path)
    old = sorted((os.path.join(work, each) for each in os.listdir(work) if each.startswith(name + ".")), key=number)
    for path in old[:-keep]:
        process = int(path.rsplit(".", 1)[1])
        if not os.path.exists("/proc/%d" % process):
            shutil.rmtree(path, ignore_errors=True)


class BrokerError(Exception):
    """The broker could not be started; the message says why."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, seconds, process, log):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BrokerError("the broker ended with status %d; see %s" % (process.returncode, log))
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise BrokerError("the broker did not listen within %d s; see %s" % (seconds, log))


def stop_process(process, seconds=20):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


class Kafka:
    """A single-node Apache Kafka in KRaft mode, from the jars in build/deps/kafka/libs."""

    name = "kafka"

    def __init__(self, root, work, java="java"):
        self.libs = os.path.join(os.environ.get("LEAT_DEPS_DIR", os.path.join(root, "build/deps")), "kafka/libs")
        self.work = os.path.join(work, "kafka.%d" % os.getpid())
        self.java = java
        self.process = None
        self.proxy = None

    def why_not(self):
        """The reason why this machine cannot run it, or None."""
        if not shutil.which(self.java):
            return "java is not installed"
        if not os.path.exists(os.path.join(self.libs, "kafka-clients-%s.jar" % KAFKA_VERSION)):
            return "Apache Kafka %s is not in build/deps/kafka/libs (make deps puts it there)" % KAFKA_VERSION
        return None

    def start(self):
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work)
        keep_few(os.path.dirname(self.work), self.name)
        port, cut_port, controller = free_port(), free_port(), free_port()
        self.proxy = Proxy()
        self.proxy.set_target("127.0.0.1", cut_port)
        conf = os.path.join(self.work, "kafka.properties")
        with open(conf, "w", encoding="utf-8") as out:
            out.write("\n".join([
                "process.roles=broker,controller",
                "node.id=1",
                "controller.quorum.voters=1@127.0.0.1:%d" % controller,
                "listeners=DIRECT://127.0.0.1:%d,CUT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d"
                % (port, cut_port, controller),
                "advertised.listeners=DIRECT://127.0.0.1:%d,CUT://127.0.0.1:%d" % (port, self.proxy.port),
                "listener.security.protocol.map=DIRECT:PLAINTEXT,CUT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                "inter.broker.listener.name=DIRECT",
                "controller.listener.names=CONTROLLER",
                "log.dirs=%s/logs" % self.work,
                "offsets.topic.replication.factor=1",
                "offsets.topic.num.partitions=1",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1",
                "transaction.state.log.num.partitions=1",
                "group.initial.rebalance.delay.ms=0",
                ""]))
        path = os.path.join(self.libs, "*")
        done = subprocess.run([self.java, "-Xmx128m", "-cp", path, "kafka.tools.StorageTool", "format", "-t",
                               CLUSTER_ID, "-c", conf], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BrokerError("StorageTool format: " + (done.stderr or done.stdout).strip()[-400:])
        log = os.path.join(self.work, "broker.log")
        with open(log, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [self.java, "-Xms512m", "-Xmx512m", "-server", "-XX:+UseG1GC", "-Djava.awt.headless=true", "-cp", path,
                 "kafka.Kafka", conf], stdout=out, stderr=subprocess.STDOUT, cwd=self.work)
        wait_for_port(port, 60, self.process, log)
        self.direct = "127.0.0.1:%d" % port
        self.cut = "127.0.0.1:%d" % self.proxy.port
        return self

    def stop(self):
        if self.process:
            stop_process(self.process)
        if self.proxy:
            self.proxy.close()
        # Segments are pre-allocated on many partitions; the log alone is worth keeping.
        shutil.rmtree(os.path.join(self.work, "logs"), ignore_errors=True)


class LeatProcess:
    """One `leat serve`. READY is the line that scripts may rely on."""

    READY = re.compile(r"^leat: ready kafka=(\S+):(\d+) http=(\S+):(\d+)$")

    def __init__(self, binary, data, log, extra=()):
        self.log = log
        with open(log, "w", encoding="utf-8") as err:
            self.process = subprocess.Popen(
                [binary, "serve", "--data", data, "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0", *extra],
                stdout=subprocess.PIPE, stderr=err, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], 30)
        line = self.process.stdout.readline().strip() if ready else ""
        match = self.READY.match(line)
        if not match:
            stop_process(self.process)
            raise BrokerError("leat printed %r instead of its ready line; see %s" % (line, log))
        self.port = int(match.group(2))
        self.http = int(match.group(4))

    def stop(self):
        return stop_process(self.process)


class Leat:
    """`leat serve` twice: one met directly, one behind the proxy."""

    name = "leat"

    def __init__(self, build, work):
        self.binary = os.path.join(build, "leat")
        self.work = os.path.join(work, "leat.%d" % os.getpid())
        self.parts = []
        self.proxy = None

    def why_not(self):
        """The reason why it cannot run, or None."""
        return None if os.access(self.binary, os.X_OK) else "there is no %s (make builds it)" % self.binary

    def start(self):
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work)
        keep_few(os.path.dirname(self.work), self.name)
        direct = LeatProcess(self.binary, self.work + "/direct", self.work + "/direct.log")
        self.parts.append(direct)
        self.proxy = Proxy()
        behind = LeatProcess(self.binary, self.work + "/behind", self.work + "/behind.log",
                             ["--advertise", "127.0.0.1:%d" % self.proxy.port])
        self.parts.append(behind)
        self.proxy.set_target("127.0.0.1", behind.port)
        self.direct = "127.0.0.1:%d" % direct.port
        self.cut = "127.0.0.1:%d" % self.proxy.port
        return self

    def stop(self):
        codes = [part.stop() for part in self.parts]
        if self.proxy:
            self.proxy.close()
        for name in ("direct", "behind"):
            shutil.rmtree(os.path.join(self.work, name), ignore_errors=True)
        if any(codes):
            raise BrokerError("leat ended with status %s on SIGTERM; see %s" % (codes, self.work))
