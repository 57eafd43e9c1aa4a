"""A PostgreSQL of its own, on a socket in a folder of its own; as it is shipped, but for the address."""
import glob
import json
import os
import shutil
import subprocess
import tempfile

BIN = max(glob.glob("/usr/lib/postgresql/*/bin"), default=None, key=lambda p: int(p.split("/")[4]))


class Database:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="leat-pg-")  # the name of a socket is short
        self.target = f"postgresql://postgres@/postgres?host={self.dir}"
        if os.geteuid() == 0:
            shutil.chown(self.dir, "postgres", "postgres")
        self.run("initdb", "-D", f"{self.dir}/data", "-A", "trust", "-U", "postgres", "--no-sync")
        self.start()

    def run(self, program, *arguments):
        """It does not run as root."""
        user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        return subprocess.run([f"{BIN}/{program}", *arguments], cwd=self.dir, check=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60, **user).stdout

    def start(self):
        self.run("pg_ctl", "-D", f"{self.dir}/data", "-w", "-l", f"{self.dir}/log", "-o",
                 f"-k {self.dir} -c listen_addresses=", "start")

    def kill(self):
        """As if the machine had stopped for it: what was not flushed is gone."""
        self.run("pg_ctl", "-D", f"{self.dir}/data", "-m", "immediate", "stop")

    def rows(self, select):
        return json.loads(self.run("psql", "-h", self.dir, "-U", "postgres", "-At", "-c",
                                   f"SELECT coalesce(json_agg(r), '[]') FROM ({select}) r"))

    def end(self):
        try:
            self.kill()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)
