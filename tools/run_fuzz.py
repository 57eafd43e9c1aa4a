#!/usr/bin/env python3
"""Fuzzes with libFuzzer, and counts CPU time rather than hours.

tools/run_fuzz.py [--seconds N | --hours N] [--cpu-of-group N] [--tally FILE] FOLDER [GROUP or TARGET]...

FOLDER holds the targets (build/fuzz/fuzz); without a name all run, as many at a time as LEAT_JOBS or the machine has.

  --seconds N       CPU seconds for each target (60)
  --hours N         all of them in turn, in rounds of 5 CPU minutes a group, for N hours; Ctrl-C ends it well
  --cpu-of-group N  CPU seconds for each group, divided by the shares of test/fuzz/GROUPS
  --tally FILE      appends a row for each group

New inputs go to build/fuzz/corpus/TARGET, where the next run goes on, never into the tracked corpus of
test/fuzz/corpus/TARGET (test/fuzz/minimise makes that one). A finding is kept in build/fuzz/crashes and printed with
the command that repeats it.
"""
import argparse
import datetime
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

ROUND_SECONDS = 300     # of CPU for each group, in a round of --hours
WALL_FACTOR = 4         # a busy machine may take so much longer than the CPU time
INTERRUPTED = 72        # libFuzzer's status when it was told to stop by Ctrl-C
TALLY_HEAD = """# What has been fuzzed

Written by `make fuzz` (`tools/run_fuzz.py`), a row for each group of `test/fuzz/GROUPS`. A finding is a crash, a broken
invariant, a leak, or an input that takes longer than 30 s; each is fixed, and its input is in `test/fuzz/corpus`
unless the fault was the target's own. A `+` behind the commit: the tree had changes beside it.

| date (UTC) | commit | group | targets | CPU minutes | executions | new inputs | findings |
|---|---|---|---|---|---|---|---|
"""


def read_groups():
    rows = [line.split() for line in pathlib.Path("test/fuzz/GROUPS").read_text().splitlines()
            if line and not line.startswith("#")]
    return [(group, target, int(share)) for group, target, share in rows]


def commit():
    def git(*args):
        return subprocess.run(["git", *args], capture_output=True, text=True, check=False).stdout.strip()
    changed = git("status", "--porcelain", "--", "src", "test/fuzz/targets", "test/fuzz/*.[ch]")
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + ("+" if changed else "")


def cpu_seconds(pid):
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Run:
    """One process that fuzzes one target until it has had its CPU time."""

    def __init__(self, folder, target, seconds):
        self.target, self.seconds = target, seconds
        self.binary = folder / target
        self.work = folder.parent
        self.log = self.work / f"{target}.log"
        self.corpus = self.work / "corpus" / target
        self.corpus.mkdir(parents=True, exist_ok=True)
        (self.work / "crashes").mkdir(exist_ok=True)
        source = pathlib.Path(f"test/fuzz/targets/{target}.c").read_text()
        options = re.findall(r"^ \* libFuzzer: (.*)$", source, re.M)
        seeds = pathlib.Path("test/fuzz/corpus", target)
        command = [str(self.binary), "-timeout=30", "-rss_limit_mb=2048", "-entropic=0", "-print_final_stats=1",
                   f"-artifact_prefix={self.work}/crashes/{target}-", *" ".join(options).split(),
                   str(self.corpus), *([str(seeds)] if seeds.is_dir() else [])]
        self.before = len(list(self.corpus.iterdir()))
        self.started = time.monotonic()
        self.asked = None       # when it was asked to stop
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.status = None
        self.cpu = 0.0

    def stop(self):
        """libFuzzer prints its statistics and ends when it gets this signal."""
        if self.asked is None:
            self.asked = time.monotonic()
            self.process.send_signal(signal.SIGUSR1)

    def poll(self):
        """True when it has ended."""
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if pid != 0:
            self.process.returncode = self.status = os.waitstatus_to_exitcode(status)
            self.cpu = usage.ru_utime + usage.ru_stime
            return True
        now = time.monotonic()
        if cpu_seconds(self.process.pid) >= self.seconds or now - self.started > WALL_FACTOR * self.seconds + 60:
            self.stop()
        if self.asked is not None and now - self.asked > 60:
            self.process.kill()
        return False

    def result(self):
        text = self.log.read_text(errors="replace")
        found = re.search(r"stat::number_of_executed_units: *(\d+)", text)
        bad = self.status not in (0, INTERRUPTED)
        if bad:
            print("\n".join(text.splitlines()[-40:]))
            kept = re.findall(r"Test unit written to (\S+)", text)
            print(f"FAILED: {self.target}: repeat it with  {self.binary} {kept[-1] if kept else ''}")
            if kept:
                print(f"        when it is fixed: cp {kept[-1]} test/fuzz/corpus/{self.target}/")
        return {"target": self.target, "cpu": self.cpu, "executions": int(found.group(1)) if found else 0,
                "new": max(0, len(list(self.corpus.iterdir())) - self.before), "findings": int(bad)}


def run_all(folder, tasks, jobs, over):
    """tasks: (target, seconds). Yields results as runs end; what is left when over() is stopped."""
    waiting, running = list(tasks), []
    while waiting or running:
        if over():
            waiting = []
            for run in running:
                run.stop()
        while waiting and len(running) < jobs:
            running.append(Run(folder, *waiting.pop(0)))
        time.sleep(0.2)
        for run in [r for r in running if r.poll()]:
            running.remove(run)
            yield run.result()


def write_tally(path, groups, results):
    path = pathlib.Path(path)
    text = path.read_text() if path.exists() else TALLY_HEAD
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")
    for group in dict.fromkeys(g for g, _, _ in groups):
        rows = [r for r in results if any(g == group and t == r["target"] for g, t, _ in groups)]
        if rows:
            targets = ", ".join(sorted({r["target"] for r in rows}))
            sums = {key: sum(r[key] for r in rows) for key in ("cpu", "executions", "new", "findings")}
            text += (f"| {now} | {commit()} | {group} | {targets} | {sums['cpu'] / 60:.1f} | {sums['executions']} | "
                     f"{sums['new']} | {sums['findings']} |\n")
    path.write_text(text)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--hours", type=float)
    parser.add_argument("--cpu-of-group", type=float)
    parser.add_argument("--tally")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    jobs = int(os.environ.get("LEAT_JOBS") or os.cpu_count() or 1)
    every = read_groups()
    groups = [row for row in every if not args.names or row[0] in args.names or row[1] in args.names]
    unknown = [n for n in args.names if not any(n in row[:2] for row in every)]
    missing = [t for _, t, _ in groups if not (args.folder / t).is_file()]
    if unknown or missing or not groups:
        print(f"fuzz: no such target or group: {' '.join(unknown + missing)}", file=sys.stderr)
        return 2
    results, bad, signals = [], set(), []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: signals.append(number))
    deadline = time.monotonic() + args.hours * 3600 if args.hours else None

    def over():
        return bool(signals) or (deadline is not None and time.monotonic() > deadline)

    total = {g: sum(s for h, _, s in groups if h == g) for g, _, _ in groups}
    of_group = args.cpu_of_group or (ROUND_SECONDS if args.hours else None)
    while True:
        tasks = [(t, of_group * s / total[g] if of_group else args.seconds) for g, t, s in groups if t not in bad]
        for one in run_all(args.folder, sorted(tasks, key=lambda task: -task[1]), jobs, over):
            results.append(one)
            bad |= {one["target"]} if one["findings"] else set()
            print(f"fuzz: {one['target']}: {one['cpu']:.0f} CPU s, {one['executions']} executions, "
                  f"{one['new']} new inputs, {one['findings']} findings", flush=True)
        if deadline is None or over() or not tasks:
            break
    if args.tally:
        write_tally(args.tally, groups, results)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
