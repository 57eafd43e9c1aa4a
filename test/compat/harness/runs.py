"""Runs one driver with many scenarios in one process and collects what it prints.

A driver prints one JSON object per line on its standard output:
  {"s": SCENARIO, "start": true}
  {"s": SCENARIO, "fact": NAME, "value": VALUE}      any number of them
  {"s": SCENARIO, "na": REASON}                      the client cannot express this scenario
  {"s": SCENARIO, "error": TEXT}                     the scenario broke
  {"s": SCENARIO, "done": true}
Names are made from a prefix that differs from run to run; in what is printed it becomes "@".
All else belongs on its standard error, which goes to a log. A driver that says nothing for
SILENCE seconds is ended; the scenario it was in has failed, and a new process runs the rest.
"""

import json
import os
import select
import signal
import subprocess
import time

from outcomes import Outcome

SILENCE = 90


def environment(additions):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LEAT_")}
    kept.update(additions)
    return kept


def run_driver(command, additions, broker, prefix, scale, names, log_path):
    """Returns {scenario: Outcome} for every name asked for."""
    outcomes = {}
    remaining = list(names)
    while remaining:
        current = _run_once(command, additions, broker, prefix, scale, remaining, log_path, outcomes)
        left = [name for name in remaining if name not in outcomes]
        if current is not None and current not in outcomes:
            left = [name for name in left if name != current]
        if len(left) == len(remaining):
            for name in left:
                outcomes[name] = Outcome()
                outcomes[name].error = "the driver did not start; see " + log_path
            break
        remaining = left
    return outcomes


def _run_once(command, additions, broker, prefix, scale, names, log_path, outcomes):
    argv = [*command, "--bootstrap", broker.direct, "--cut", broker.cut, "--prefix", prefix, "--scale", scale, *names]
    current = None
    with open(log_path, "a", encoding="utf-8") as log:
        log.write("\n%s\n" % " ".join(argv))
        log.flush()
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, env=environment(additions),
                                   start_new_session=True)
        try:
            for line in _lines(process, log):
                record = _parse(line.replace(prefix.encode(), b"@"), log)
                if record is None:
                    continue
                current = record["s"]
                outcome = outcomes.setdefault(current, Outcome())
                outcome.seconds = time.monotonic() - outcome.began
                if "fact" in record:
                    outcome.facts[record["fact"]] = record["value"]
                elif "na" in record:
                    outcome.not_applicable = record["na"]
                elif "error" in record:
                    outcome.error = outcome.error or record["error"]
                elif "done" in record:
                    outcome.complete = True
            process.wait(20)
        except TimeoutError:
            if current:
                outcomes[current].error = "nothing was heard of the driver for %d s" % SILENCE
        except subprocess.TimeoutExpired:
            log.write("the driver did not end by itself\n")
        finally:
            _end_group(process)
    if current and not outcomes[current].complete and outcomes[current].error is None:
        outcomes[current].error = "the driver ended in the middle (status %s); see %s" % (process.returncode, log_path)
    return current


def _end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()
    process.stdout.close()


def _lines(process, log):
    buffer = b""
    descriptor = process.stdout.fileno()
    deadline = time.monotonic() + SILENCE
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        chunk = os.read(descriptor, 65536)
        if not chunk:
            return
        deadline = time.monotonic() + SILENCE
        buffer += chunk
        *whole, buffer = buffer.split(b"\n")
        yield from whole


def _parse(line, log):
    try:
        record = json.loads(line)
        if isinstance(record, dict) and "s" in record:
            return record
    except ValueError:
        pass
    if line.strip():
        log.write("stdout: %s\n" % line.decode("utf-8", "replace"))
        log.flush()
    return None
