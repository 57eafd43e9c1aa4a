"""A `leat serve` that can be killed and started again on the same data, and a client of its API."""
import http.client
import json
import os
import signal
import subprocess
import threading
import time
import urllib.parse


class Server:
    """One data directory; a process that serves it, or none."""

    def __init__(self, binary, work, *options):
        self.binary, self.work, self.options = binary, str(work), options
        self.data = os.path.join(self.work, "data")
        self.process = None
        self.kafka = self.http = None
        self.start()

    def begin(self):
        """Until both ports answer."""
        with open(os.path.join(self.work, "leat.log"), "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "serve", "--data", self.data, "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0", *self.options],
                stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("leat: ready"):
            raise RuntimeError(f"leat did not start: {self.log_tail()}")
        self.kafka, self.http = (word.split("=")[1] for word in line.split()[2:4])

    def start(self, limit_s=30):
        self.begin()
        ends = time.monotonic() + limit_s
        while time.monotonic() < ends:
            if Client(self).call("GET", "/api/v1/categories")[0] == 200:
                return
            time.sleep(0.02)
        raise RuntimeError("the event store did not get ready: " + self.log_tail())

    def log_tail(self):
        with open(os.path.join(self.work, "leat.log"), encoding="utf-8", errors="replace") as log:
            return log.read()[-1500:]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """The exit status of a clean stop."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        return status

    def end(self):
        if self.process.poll() is None:
            self.kill()


class Client:
    """One connection; a call is repeated once if the connection was closed between two calls."""

    def __init__(self, server, timeout=20):
        self.server, self.timeout = server, timeout
        self.connection = None

    def raw(self, method, path, body=None, headers=None):
        """status, headers (lower case), body"""
        if self.connection is None:
            host, port = self.server.http.rsplit(":", 1)
            self.connection = http.client.HTTPConnection(host, int(port), timeout=self.timeout)
        try:
            self.connection.request(method, path, body, headers or {})
            answer = self.connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, data

    def call(self, method, path, body=None, headers=None):
        """status, parsed body, headers"""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        status, got, data = self.raw(method, path, body, headers)
        try:
            parsed = json.loads(data) if data else None
        except ValueError:
            parsed = data
        return status, parsed, got

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def append(self, stream, events, expected=None, headers=None):
        body = {"events": events}
        if expected is not None:
            body["expected"] = expected
        return self.call("POST", f"/api/v1/streams/{urllib.parse.quote(stream, safe='')}/events", body, headers)

    def events(self, stream, query=""):
        """All events of a stream, page after page; None: there is no such stream."""
        found, start = [], 0
        while True:
            status, page, _ = self.call("GET", f"/api/v1/streams/{urllib.parse.quote(stream, safe='')}/events?from={start}{query}")
            if status != 200:
                return None
            found += page["events"]
            if "next" not in page:
                return found
            start = page["next"]

    def all_events(self, query=""):
        found, position = [], "start"
        while True:
            status, page, _ = self.call("GET", f"/api/v1/events?from={position}{query}")
            if status != 200:
                raise RuntimeError(f"reading all: {status} {page}")
            found += page["events"]
            if not page["more"]:
                return found
            position = page["next"]


def event(name=None, kind="Happened", data=None, **more):
    """One event; name is its id (None: the server makes one)."""
    made = {"type": kind, "data": data if data is not None else {"n": name}, **more}
    if name is not None:
        made["id"] = name
    return made


class Stream(threading.Thread):
    """Reads server-sent events until told to stop; `frames` are (id, event, data)."""

    def __init__(self, server, path, last_id=None):
        super().__init__(daemon=True)
        host, port = server.http.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=30)
        headers = {"Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        self.connection.request("GET", path, headers=headers)
        self.answer = self.connection.getresponse()
        self.status, self.frames, self.changed = self.answer.status, [], threading.Condition()
        self.start()

    def run(self):
        fields = {}
        try:
            for line in self.answer:
                line = line.decode().rstrip("\n")
                if line == "":
                    if "data" in fields:
                        with self.changed:
                            self.frames.append((fields.get("id"), fields.get("event"), json.loads(fields["data"])))
                            self.changed.notify_all()
                    fields = {}
                elif not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    fields[name] = value
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass
        with self.changed:
            self.frames.append((None, "end", None))
            self.changed.notify_all()

    def wait(self, enough, limit_s=20):
        """True if enough(frames) became true in time."""
        with self.changed:
            return self.changed.wait_for(lambda: enough(self.frames), limit_s)

    def records(self):
        return [data for _, kind, data in self.frames if kind == "record"]

    def close(self):
        try:
            self.connection.sock.shutdown(2)
        except (OSError, AttributeError):
            pass
        self.join(5)
        self.connection.close()
