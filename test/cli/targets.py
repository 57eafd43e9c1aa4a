"""Starts the brokers that the command line is tried against: `leat`, and in the gate a real Apache Kafka."""
import os
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test/compat/harness"))
import brokers  # noqa: E402

BrokerError = brokers.BrokerError


class Leat:
    """One `leat serve` on free ports."""

    name = "leat"

    def __init__(self, binary, work):
        self.data = os.path.join(work, "data")
        self.process = brokers.LeatProcess(binary, self.data, os.path.join(work, "leat.log"))
        self.address = "127.0.0.1:%d" % self.process.port
        self.http = self._http()

    def _http(self):
        """The port of /metrics: the listening socket that is not the Kafka one."""
        inodes = set()
        for link in pathlib.Path("/proc/%d/fd" % self.process.process.pid).iterdir():
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            port = int(fields[1].split(":")[1], 16)
            if fields[3] == "0A" and fields[9] in inodes and port != self.process.port:
                return "127.0.0.1:%d" % port
        raise BrokerError("leat listens on one port only")

    def pid(self):
        return self.process.process.pid

    def stop(self):
        return self.process.stop()


class Kafka:
    """A real Apache Kafka of one node."""

    name = "kafka"
    http = None

    def __init__(self, work):
        self.kafka = brokers.Kafka(str(ROOT), work, shutil.which("java") or "java")
        reason = self.kafka.why_not()
        if reason:
            raise BrokerError(reason)
        self.kafka.start()
        self.address = self.kafka.direct

    def stop(self):
        self.kafka.stop()
        return 0
