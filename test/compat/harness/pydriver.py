"""What the drivers written in Python share: the frame around scenarios and the printing of facts."""

import argparse
import hashlib
import json
import sys
import threading
import time
import traceback


class NotApplicable(Exception):
    """The client cannot express this scenario; the message is the reason."""


class Facts:
    """Prints facts as JSON lines; see runs.py for the form."""

    _lock = threading.Lock()

    def __init__(self, scenario):
        self.scenario = scenario

    def say(self, **rest):
        with self._lock:
            sys.stdout.write(json.dumps({"s": self.scenario, **rest}) + "\n")
            sys.stdout.flush()

    def fact(self, name, value):
        self.say(fact=name, value=value)


class Setting:
    """Where the brokers are and what to call things."""

    def __init__(self, options):
        self.bootstrap = options.bootstrap
        self.cut = options.cut
        self.prefix = options.prefix
        self.gate = options.scale == "gate"


def sample(number):
    """(key, value, headers) of record `number`, as in the other drivers: nulls are among them."""
    key = None if number % 5 == 0 else ("k%d" % number).encode()
    value = None if number % 7 == 6 else ("v%d-%s" % (number, "x" * 100)).encode()
    return key, value, [("number", str(number).encode()), ("empty", None)]


def text(data):
    return "~" if data is None else data.decode()


def digest(records):
    """One short text for (offset, key, value, headers) of all records."""
    sha = hashlib.sha256()
    for offset, key, value, headers in records:
        line = "%d|%s|%s" % (offset, text(key), text(value))
        for name, data in headers or []:
            line += "|%s=%s" % (name, text(data))
        sha.update((line + "\n").encode())
    return sha.hexdigest()[:16]


def wait_for(what, seconds, test):
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            raise TimeoutError("waited %d s in vain for: %s" % (seconds, what))
        time.sleep(0.05)


def main(scenarios):
    """`scenarios` is {name: function(setting, facts)}."""
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "cut", "prefix", "scale"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("names", nargs="+")
    options = parser.parse_args()
    setting = Setting(options)
    for name in options.names:
        facts = Facts(name)
        facts.say(start=True)
        try:
            scenarios[name](setting, facts)
        except NotApplicable as reason:
            facts.say(na=str(reason))
        except Exception as problem:  # whatever a client throws is an outcome
            traceback.print_exc()
            facts.say(error="%s: %s" % (type(problem).__name__, problem))
        facts.say(done=True)
