"""One register kept as a stream: its value is its last event. A write expects the revision that its writer has read. What was
answered, and what was not, is judged by linear.py."""
import http.client
import itertools
import threading
import time

import linear
from server import Client, event

WRITERS = 5


class Register:
    """rounds: so many of each writer, who begin each write together, so that only one of the first can have its way; None: until
    end(), and the server may be killed meanwhile."""

    def __init__(self, server, stream, rounds=None):
        self.server, self.stream, self.rounds = server, stream, rounds
        self.history, self.errors = [], []
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.meet = threading.Barrier(WRITERS, timeout=60) if rounds is not None else None
        self.threads = [threading.Thread(target=self.work, args=(i,)) for i in range(WRITERS)]
        for t in self.threads:
            t.start()

    def end(self):
        if self.rounds is None:
            self.stop.set()
        for t in self.threads:
            t.join()

    def count(self, result):
        """Writes with this result: True, False, None (its answer was lost)."""
        with self.lock:
            return sum(1 for o in self.history if o["kind"] == "write" and o["result"] is result)

    def note(self, operation):
        with self.lock:
            self.history.append(operation)

    def read(self, client):
        """Whether it was answered; the revision and the id of the last event, or None: there is none."""
        begin = time.monotonic_ns()
        status, page, _ = client.call("GET", f"/api/v1/streams/{self.stream}/events?from=end&dir=back&limit=1")
        if status == 503:
            self.stop.wait(0.02)
            return False, None
        if status not in (200, 404):
            raise RuntimeError(f"read: {status} {page}")
        value = (page["events"][0]["revision"], page["events"][0]["id"]) if status == 200 else None
        self.note(linear.read(begin, time.monotonic_ns(), value))
        return True, value

    def write(self, client, ident, value):
        """Without an answer, or with one that does not say: it may be done, now or later."""
        begin, result = time.monotonic_ns(), None
        made = (0 if value is None else value[0] + 1, ident)
        try:
            status, body, _ = client.append(self.stream, [event(ident)], "no_stream" if value is None else value[0])
            if status not in (201, 409, 503) or (status == 201 and body["last_revision"] != made[0]):
                raise RuntimeError(f"write of {made}: {status} {body}")
            result = {201: True, 409: False, 503: None}[status]
        finally:
            self.note(linear.write(begin, time.monotonic_ns(), value, made, result))

    def work(self, me):
        client = Client(self.server)
        for n in itertools.count() if self.rounds is None else range(self.rounds):
            if self.stop.is_set():
                break
            try:
                answered, value = self.read(client)
                if self.meet is not None:
                    self.meet.wait()
                if answered:
                    self.write(client, f"r{me}-{n}", value)
            except Exception as problem:  # pylint: disable=broad-except
                client.close()
                if self.meet is not None or not isinstance(problem, (OSError, http.client.HTTPException)):
                    self.errors.append(repr(problem))
                    break
                self.stop.wait(0.05)
        if self.errors and self.meet is not None:
            self.meet.abort()
        client.close()

    def judge(self, count, name):
        done, refused, lost = (self.count(result) for result in (True, False, None))
        count.show(f"{name}: no error", not self.errors, self.errors[:3])
        count.show(f"{name} is linearizable ({done} writes, {refused} conflicts, {lost} lost answers)",
                   done > 0 and linear.linearizable(self.history), len(self.history))
