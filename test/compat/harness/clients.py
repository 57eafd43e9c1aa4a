"""The clients, how each driver is made ready, and the scenarios that all of them share by name."""

import os
import shutil
import subprocess

# name -> what it shows; the order is the order of execution.
SCENARIOS = {
    "produce-codecs": "every codec with acks 0, 1 and all; keys, headers, null values; read back",
    "produce-errors": "too large, wrong partition, unknown topic, bad timestamp: the error a program sees",
    "auto-create": "a topic made by the first produce",
    "consume-positions": "from the earliest, the latest, an offset, a time; behind and before the log",
    "list-offsets": "earliest, latest, by timestamp, of the largest timestamp",
    "group-join-leave": "members join and leave, everything is read once",
    "group-member-dies": "a member vanishes without a word; the others take over",
    "group-static-members": "a static member returns to its partitions; its double is fenced",
    "commit-seek": "commits with metadata, resume from them, seek",
    "idempotent-retry": "the connection is cut after the broker did the work: nothing twice, all in order",
    "topic-admin": "create, describe, add partitions, delete; every refusal",
    "config-admin": "describe, alter incrementally, alter the old way",
    "delete-records": "the log's start moves; beyond the end is refused",
    "describe-cluster": "brokers, log directories, producers",
    "group-admin": "list, describe, alter and delete offsets, delete groups",
    "large-message": "10 MB in one record",
    "large-batch": "10,000 records in one batch",
    "many-partitions": "thousands of partitions in one topic",
    "transactional-id": "what the client makes of a transactional id",
    "read-committed": "a read_committed reader without transactions",
    "compact-policy": "what the client makes of cleanup.policy=compact",
}

CLIENTS = ("kcat", "librdkafka", "kafkajs", "platformatic", "confluent-python", "franz-go", "java", "java-tools")


class NotHere(Exception):
    """This machine cannot run the client; the message is the reason of a skip."""


class BuildFailed(Exception):
    """The driver does not compile: a failure, not a skip."""


def newest(paths):
    return max(os.path.getmtime(path) for path in paths)


def sources(folder, *endings):
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(endings))


def stale(target, inputs):
    return not os.path.exists(target) or os.path.getmtime(target) < newest(inputs)


def run_build(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise BuildFailed("%s: %s" % (" ".join(command[:3]), (done.stderr or done.stdout).strip()[-2000:]))


def need(program, why):
    if not shutil.which(program):
        raise NotHere("%s is not installed (%s)" % (program, why))


class Clients:
    """Makes drivers ready. `root` is the project, `out` the folder for what is built."""

    def __init__(self, root, out):
        self.root = root
        self.out = out
        self.here = os.path.join(root, "test/compat")
        self.deps = os.environ.get("LEAT_DEPS_DIR", os.path.join(root, "build/deps"))
        os.makedirs(out, exist_ok=True)

    def command(self, name):
        """Returns (argv, environment additions) of the driver, or raises NotHere or BuildFailed."""
        return getattr(self, "_" + name.replace("-", "_"))()

    def _kcat(self):
        need("kcat", "package kcat")
        return ["python3", os.path.join(self.here, "kcat/driver.py")], {}

    def _librdkafka(self):
        need("cc", "package gcc")
        probe = subprocess.run(["cc", "-E", "-x", "c", "-"], input="#include <librdkafka/rdkafka.h>\n", text=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if probe.returncode != 0:
            raise NotHere("librdkafka is not installed (package librdkafka-dev)")
        folder = os.path.join(self.here, "librdkafka")
        target = os.path.join(self.out, "librdkafka-driver")
        if stale(target, sources(folder, ".c", ".h")):
            run_build(["cc", "-std=c17", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-o", target, *sources(folder, ".c"),
                       "-lrdkafka", "-lpthread"])
        return [target], {}

    def _node(self, name, script, module):
        need("node", "package nodejs")
        if not os.path.isdir(os.path.join(self.here, name, "node_modules", module)):
            raise NotHere("%s is not in test/compat/%s/node_modules (make deps installs it)" % (module, name))
        return ["node", os.path.join(self.here, name, script)], {}

    def _kafkajs(self):
        return self._node("kafkajs", "driver.js", "kafkajs")

    def _platformatic(self):
        need("node", "package nodejs")
        version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        numbers = tuple(int(part) for part in version.lstrip("v").split(".")[:3])
        if numbers < (20, 19, 4):
            raise NotHere("@platformatic/kafka needs node 20.19.4 or newer, this is %s" % version)
        return self._node("platformatic", "driver.mjs", "@platformatic/kafka")

    def _confluent_python(self):
        python = os.path.join(self.deps, "venv/bin/python")
        if not os.path.exists(python):
            raise NotHere("confluent-kafka is not in build/deps/venv (make deps installs it)")
        return [python, os.path.join(self.here, "confluent-python/driver.py")], {}

    def _franz_go(self):
        folder = os.path.join(self.here, "franz-go")
        with open(os.path.join(folder, "go.mod"), encoding="utf-8") as source:
            wanted = next(line.split()[1] for line in source if line.startswith("go "))
        need("go", "franz-go needs Go %s, newer than Debian 12 has" % wanted)
        version = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
        have = tuple(int(part) for part in version.removeprefix("go").split(" ")[0].split("-")[0].split(".")[:2])
        if have < tuple(int(part) for part in wanted.split(".")[:2]):
            raise NotHere("franz-go needs Go %s or newer, this is %s" % (wanted, version))
        target = os.path.join(self.out, "franz-go-driver")
        if stale(target, sources(folder, ".go", ".mod", ".sum")):
            run_build(["go", "build", "-o", target, "."], cwd=folder)
        return [target], {}

    def _java_driver(self, name, main_class):
        need("java", "package openjdk-17-jdk-headless")
        need("javac", "package openjdk-17-jdk-headless")
        libs = os.path.join(self.deps, "kafka/libs")
        if not os.path.isdir(libs):
            raise NotHere("the Kafka jars are not in build/deps/kafka/libs (make deps puts them there)")
        classes = os.path.join(self.out, "java-classes")
        files = sources(os.path.join(self.here, "java"), ".java") + sources(os.path.join(self.here, "java-tools"), ".java")
        mark = os.path.join(classes, "built")
        if stale(mark, files):
            os.makedirs(classes, exist_ok=True)
            run_build(["javac", "--release", "17", "-nowarn", "-d", classes, "-cp", os.path.join(libs, "*"), *files])
            with open(mark, "w", encoding="utf-8"):
                pass
        return ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                classes + ":" + os.path.join(self.here, name) + ":" + os.path.join(libs, "*"), main_class], {}

    def _java(self):
        return self._java_driver("java", "compat.Driver")

    def _java_tools(self):
        return self._java_driver("java-tools", "compat.tools.Driver")
