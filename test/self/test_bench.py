#!/usr/bin/env python3
"""Tests of what bench/run keeps and ends: its file, its table, its limits. Run by part 10-lint."""
import contextlib
import importlib.machinery
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import types
import unittest
import unittest.mock

BENCH = pathlib.Path(__file__).resolve().parent.parent.parent / "bench"
sys.path.insert(0, str(BENCH))
sys.dont_write_bytecode = True
import harness  # noqa: E402 pylint: disable=wrong-import-position
import rows  # noqa: E402 pylint: disable=wrong-import-position
import rows_es  # noqa: E402 pylint: disable=wrong-import-position
from results import Results  # noqa: E402 pylint: disable=wrong-import-position

ABOUT = {"date": "d", "machine": "m", "commit": "c", "binary": "b", "quick": False, "options": "", "versions": "v"}


def step(turn, column, value, failure=""):
    return {"group": "g", "turn": turn, "column": column, "seconds": 1, "figures": [["row", value]], "runs": [],
            "counted": 1, "disturbed": 0, "failure": failure}


class TheFile(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.results = Results(os.path.join(self.dir.name, "r.json"), ABOUT)
        self.results.declare(("row", "a row", "9", 1))

    def test_a_step_is_on_the_disk_at_once_and_is_not_run_again(self):
        self.results.add(step(1, "leat", 3))
        again = Results.load(self.results.path)
        self.assertTrue(again.done("g", 1, "leat"))
        self.assertFalse(again.done("g", 2, "leat"))
        self.assertEqual(again.values("row", "leat"), [3])

    def test_a_failed_step_is_run_again_and_replaced(self):
        self.results.add(step(1, "leat", 3, "it fell"))
        self.assertFalse(self.results.done("g", 1, "leat"))
        self.assertIn("FAILED: g, leat, turn 1: it fell", self.results.footnotes(0.1))
        self.results.add(step(1, "leat", 4))
        self.assertEqual(self.results.values("row", "leat"), [4])
        self.assertEqual(len(self.results.footnotes(0.1)), 1)

    def test_the_table_has_medians_and_spread(self):
        for turn, value in ((1, 5), (2, 1000), (3, 7)):
            self.results.add(step(turn, "leat", value))
        self.results.add(step(1, "redis", 2))
        self.assertEqual(self.results.table(("leat", "kafka", "redis")).splitlines()[-1],
                         "| a row | 9 | 7.0 (5.0..1,000.0) | 2.0 |")

    def test_a_later_file_takes_the_place_of_a_column(self):
        self.results.add(step(1, "leat", 3))
        self.results.add(step(1, "redis", 2))
        later = Results(None, ABOUT)
        later.add(step(1, "leat", 8))
        self.results.replace(later)
        self.assertEqual(self.results.values("row", "leat"), [8])
        self.assertEqual(self.results.values("row", "redis"), [2])


class Limits(unittest.TestCase):
    def test_what_takes_too_long_is_ended(self):
        began = time.monotonic()
        with self.assertRaises(harness.Late):
            with harness.limit(0.2):
                harness.popen(["sleep", "60"]).communicate()
        child = harness.started[-1]
        harness.end_all()
        self.assertLess(time.monotonic() - began, 30)
        self.assertIsNotNone(child.returncode)

    def test_what_a_killed_run_left_is_removed(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        with tempfile.TemporaryDirectory() as folder:
            work = os.path.join(folder, f"run-{gone.pid}", "leat-1")
            mine = os.path.join(folder, f"run-{os.getpid()}")
            os.makedirs(work)
            os.makedirs(mine)
            broker = subprocess.Popen(["sleep", "60"], cwd=work)
            harness.clear_stale(folder)
            self.assertEqual(broker.wait(30), -9)
            self.assertEqual(os.listdir(folder), [os.path.basename(mine)])


class Plan(unittest.TestCase):
    def test_every_group_has_a_length_for_each_of_its_columns(self):
        for name, group in rows.GROUPS.items():
            for column in (*group.peers, *(("floor",) if group.floor else ())):
                for seconds in group.seconds[column]:
                    self.assertGreater(seconds, 0, f"{name}, {column}")


def bench_run():
    """bench/run as a module: its name has no ending."""
    loader = importlib.machinery.SourceFileLoader("bench_run", str(BENCH / "run"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


class Repetition(unittest.TestCase):
    """What a busy machine lets bench/run do twice."""

    def setUp(self):
        self.calls = []
        args = types.SimpleNamespace(quick=True, calm=0.1, dir="/nowhere", minutes=None, warm_mib=None)
        declared = [(key, "", "", 0) for key in ("es_read_p50_us", "es_read_p99_us", "es_read_cpu", "es_read_category",
                                                 "es_read_plain", "es_read_cold_p50_us")]
        self.run_ = bench_run().Run(args, types.SimpleNamespace(rows=declared))
        self.run_.step = step(1, "leat", 0)
        for name, fake in (("program", self.program), ("wait_calm", lambda *_: 1), ("forget_files", lambda _: None)):
            patch = unittest.mock.patch.object(harness, name, fake)
            patch.start()
            self.addCleanup(patch.stop)

    def program(self, name, mode, /, **options):
        self.calls.append((name, mode, options.get("config", "")))
        return {"foreign_cores": 1, "p50_us": 1, "p99_us": 1, "broker_cpu_s": 1, "messages": 1, "per_second": 1}

    def test_a_load_with_fixed_names_is_written_once_on_a_busy_machine_too(self):
        broker = unittest.mock.MagicMock(protocol="kafka", pid=1, work="/nowhere")
        broker.name = "leat"
        broker.target.side_effect = lambda name, **more: dict(name=name, **more)
        rows_es.read(self.run_, "leat", lambda *_: contextlib.nullcontext(broker))
        written = [c for c in self.calls if c[1] == "fleet"]
        asked = [c for c in self.calls if c[1] == "inflight"]
        self.assertEqual(len(written), 1, written)
        self.assertIn("run=1", written[0][2])
        self.assertEqual(len(asked), 4)  # warm and cold, each once more


if __name__ == "__main__":
    unittest.main()
