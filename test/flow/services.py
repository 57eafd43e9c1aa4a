"""The processes of the order flow, each of which can be killed at any moment and is started again."""
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test/es"))
from server import Server  # noqa: E402

FLOW = ROOT / "examples/order-flow"


class SteadyServer(Server):
    """Comes back on the ports that it had, as a service's address does."""

    def start(self, limit_s=30):
        ports = (self.kafka, self.http)
        ends = time.monotonic() + limit_s
        while True:
            try:
                if ports[0] is not None:
                    self.options = (*self.plain, "--kafka", ports[0], "--http", ports[1])
                super().start()
                return
            except RuntimeError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.2)  # the port is somebody's for a moment

    def __init__(self, binary, work, *options):
        self.plain = options
        self.kafka = self.http = None
        super().__init__(binary, work, *options)


class Cast:
    """The services by name; `again` starts those that are gone."""

    def __init__(self, build, work, server, seed):
        self.build, self.work, self.server = pathlib.Path(build), pathlib.Path(work), server
        self.seed, self.rounds = seed, 0
        self.running, self.fallen = {}, []
        programs = [str(self.build / "release/examples" / name) for name in ("inventory", "notification")]
        self.commands = {"inventory-1": [programs[0]], "inventory-2": [programs[0]], "notification": [programs[1]],
                         "payment": ["node", "payment-service.js"], "order-1": ["node", "order-service.js"],
                         "order-2": ["node", "order-service.js"], "shop": ["node", "shop.js"]}

    def environ(self, **more):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("LEAT_")}
        return {**kept, "LEAT_BOOTSTRAP": self.server.kafka, "LEAT_HTTP": self.server.http, **more}

    def run(self, *command, limit_s=60, **more):
        """exit status, what it said"""
        done = subprocess.run(command, cwd=FLOW, env=self.environ(**more), text=True, timeout=limit_s, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def leat(self, *arguments, **more):
        return self.run(str(self.build / "release/leat"), *arguments, **more)

    def again(self):
        for name, command in self.commands.items():
            process = self.running.get(name)
            if process is not None and process.poll() is None:
                continue
            if process is not None and process.returncode != -9:
                words = (self.work / f"{name}.log").read_text(errors="replace")[-1500:]
                self.fallen.append(f"{name}: status {process.returncode}: {words}")
            self.rounds += 1
            with open(self.work / f"{name}.log", "ab") as log:
                self.running[name] = subprocess.Popen(command, cwd=FLOW, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                      env=self.environ(RATE="15", THINK_MS="30", SEED=str(self.seed + self.rounds)))

    def kill(self, name):
        self.running[name].kill()
        self.running[name].wait()

    def dismiss(self, name):
        """It is stopped, as one stops a service, and not started again."""
        del self.commands[name]
        process = self.running.pop(name)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def end(self):
        for process in self.running.values():
            process.kill()
        for process in self.running.values():
            process.wait()
