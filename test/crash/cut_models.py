"""Power cuts under an event store and its read models, all on one disk: SQLite in the data directory and, if asked for, a
PostgreSQL beside it. The scene and its judge are test/es/models.py."""
import glob
import http.client
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent / "es")]
import disk  # noqa: E402
import models  # noqa: E402
from server import Server  # noqa: E402


class OnDisk(Server):
    """Its data is on the disk, its log is not."""

    def __init__(self, binary, work, mount_point):
        self.where = mount_point / "data"
        super().__init__(binary, work)

    def start(self, limit_s=30):
        self.data = str(self.where)
        super().start(limit_s)


class Postgres:
    """A server of its own, as it is shipped; only its socket is elsewhere (names of sockets are short)."""
    user = {"user": "postgres", "group": "postgres", "extra_groups": []}  # it does not run as root

    def __init__(self, name, folder):
        self.name, self.data = name, pathlib.Path(folder, "postgres")
        self.sockets = tempfile.mkdtemp(prefix="leat-pg-")
        self.log = pathlib.Path(self.sockets, "log")
        shutil.chown(self.sockets, "postgres", "postgres")
        self.data.mkdir(mode=0o700)
        shutil.chown(self.data, "postgres", "postgres")
        self.target = f"postgresql://leat@/postgres?host={self.sockets}"
        self.process = None
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "leat", "-E", "UTF8", "--locale=C")

    @staticmethod
    def missing():
        return None if glob.glob("/usr/lib/postgresql/*/bin/initdb") else "PostgreSQL is not installed (package postgresql)"

    @staticmethod
    def command(program, *arguments):
        return [sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{program}"))[-1], *map(str, arguments)]

    def run(self, *command):
        done = subprocess.run(self.command(*command), capture_output=True, text=True, check=False, cwd="/", **self.user)
        if done.returncode:
            raise OSError(f"{command}: {done.stderr.strip()}")
        return done.stdout

    def start(self):
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(self.command("postgres", "-D", self.data, "-k", self.sockets, "-c", "listen_addresses="),
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", **self.user)
        ends = time.monotonic() + 30
        while time.monotonic() < ends:
            try:
                self.query("SELECT 1")
                return
            except OSError:
                time.sleep(0.05)
        raise OSError("PostgreSQL does not answer: " + self.log.read_text(errors="replace")[-800:])

    def kill(self):
        """The server, and its children, which are in sessions of their own."""
        if self.process is None:
            return
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        for pid in [self.process.pid, *map(int, found.stdout.split())]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process = None

    def query(self, sql):
        text = self.run("psql", "-h", self.sockets, "-U", "leat", "-d", "postgres", "-X", "-q", "-A", "-t", "-F", "\t", "-c", sql)
        return [line.split("\t") for line in text.splitlines()]

    def snapshot(self):
        there = {row[0] for row in self.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        if not {"leat_checkpoint", f"{self.name}_seen__v1", f"{self.name}_sums__v1"} <= there:
            return models.Snapshot()
        return models.Snapshot().fill(*(self.query(sql) for sql in models.tables(self.name)))

    def end(self):
        self.kill()
        shutil.rmtree(self.sockets, True)


def run(count, work, binary, cuts, seed, with_postgres):
    chance = random.Random(seed)
    work = pathlib.Path(work)
    work.mkdir(mode=0o755, exist_ok=True)
    work.parent.chmod(0o755)  # PostgreSQL runs as a user of its own
    under = disk.Disk(work, 1024 if with_postgres else 512, options="defaults")
    server = scene = postgres = None
    try:
        read_models = [models.Sqlite("file", under.mount_point / "data/derived/views/file.db")]
        if with_postgres:
            postgres = Postgres("tables", under.mount_point)
            postgres.start()
            read_models.append(postgres)
        server = OnDisk(binary, work, under.mount_point)
        os.sync()
        scene = models.Scene(server, read_models, seed, work / "apart.db")
        scene.begin(count)
        for _ in range(cuts):
            time.sleep(chance.uniform(0.05, 0.8))
            scene.before_crash()
            under.power_off()
            server.kill()
            if postgres is not None:
                postgres.kill()
            under.unmount()
            under.mount()
            if postgres is not None:
                postgres.start()
            scene.look()
            server.start()
            scene.started()
        time.sleep(0.2)
        scene.finish(count, f"{cuts} power cuts under read models (seed {seed})")
        if scene.judged >= 8:  # of a few the kernel may have written all back in time
            count.show("the cuts took something back from read models", scene.taken_back > 0, scene.judged)
        count.show("a clean stop after them", server.stop() == 0, server.log_tail())
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        count.show("power cuts under read models", False, f"{type(error).__name__}: {error}; seed {seed}")
    finally:
        if scene is not None:
            scene.end()
        if server is not None:
            server.end()
        if postgres is not None:
            postgres.end()
        under.destroy()
