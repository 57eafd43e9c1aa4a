#!/usr/bin/env python3
"""Tests of test/run: parts that pass, fail, hang, lie, crash and leave processes behind. Run by part 10-lint."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HEAD = "#!/bin/sh\n# what: a part of a self-test\n# budget: {}\n"


class RunnerTest(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.parts = pathlib.Path(self.temp.name, "parts")
        self.parts.mkdir()

    def tearDown(self):
        self.temp.cleanup()

    def part(self, name, body, budget="5", head=None, mode=0o755):
        path = self.parts / name
        path.write_text((HEAD.format(budget) if head is None else head) + body + "\n")
        path.chmod(mode)

    def run_all(self, *args, tier="test", prepare=None, **extra):
        environ = dict(os.environ, LEAT_PARTS=str(self.parts), LEAT_BUILD=self.temp.name, LEAT_TIER=tier)
        environ.pop("LEAT_SLOW", None)
        environ.update(extra)
        done = subprocess.run([str(ROOT / "test/run"), *args], env=environ, capture_output=True, text=True,
                              timeout=60, check=False, preexec_fn=prepare)
        self.text = done.stdout + done.stderr
        self.last = done.stdout.strip().splitlines()[-1]
        return done.returncode

    def test_sums_counts_and_repeats_the_reasons_of_skips(self):
        self.part("10-a", "echo 'SKIP frob: no frobber here'\necho '3 passed, 0 failed, 1 skipped'")
        self.part("20-b", "echo '4 passed, 0 failed, 0 skipped'")
        self.assertEqual(self.run_all(), 0)
        self.assertEqual(self.last, "7 passed, 0 failed, 1 skipped")
        self.assertIn("All is well", self.text)
        self.assertIn("SKIP 10-a: frob: no frobber here", self.text)

    def test_a_failure_fails_the_run_and_names_the_log(self):
        self.part("10-a", "echo '3 passed, 1 failed, 0 skipped'\nexit 1")
        self.part("20-b", "echo '4 passed, 0 failed, 0 skipped'")
        self.assertEqual(self.run_all(), 1)
        self.assertEqual(self.last, "7 passed, 1 failed, 0 skipped")
        self.assertIn("FAILED: 10-a", self.text)
        self.assertIn("test-logs/10-a.log", self.text)
        self.assertNotIn("All is well", self.text)

    def test_a_hanging_part_is_ended_with_all_its_processes(self):
        mark = str(pathlib.Path(self.temp.name, "pid"))
        self.part("10-a", f"setsid sleep 1000 & echo $! > {mark}\ntrap '' TERM\nsleep 1000\nsleep 1000",
                  budget="1")
        started = time.monotonic()
        self.assertEqual(self.run_all(), 1)
        self.assertLess(time.monotonic() - started, 20)
        self.assertIn("did not end within", self.text)
        self.assertFalse(alive(int(pathlib.Path(mark).read_text())))

    def test_a_process_that_stays_behind_is_a_failure_and_is_ended(self):
        mark = str(pathlib.Path(self.temp.name, "pid"))
        self.part("10-a", f"setsid sleep 1000 >/dev/null 2>&1 & echo $! > {mark}\n"
                          "echo '1 passed, 0 failed, 0 skipped'")
        self.assertEqual(self.run_all(), 1)
        self.assertIn("left 1 process", self.text)
        self.assertFalse(alive(int(pathlib.Path(mark).read_text())))

    def test_a_crash_is_a_failure(self):
        self.part("10-a", "echo '1 passed, 0 failed, 0 skipped'\nkill -SEGV $$")
        self.assertEqual(self.run_all(), 1)
        self.assertIn("SIGSEGV", self.text)

    def test_a_part_hears_signals_that_a_shell_in_the_background_ignores(self):
        def ignore():
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)

        for name in ("INT", "QUIT", "HUP"):
            with self.subTest(name):
                self.part("10-a", f"kill -{name} $$\necho '1 passed, 0 failed, 0 skipped'")
                self.assertEqual(self.run_all(prepare=ignore), 1)
                self.assertIn(f"was ended by signal SIG{name}", self.text)

    def test_lies_are_failures(self):
        lies = {
            "no count line": "echo hello",
            "status says no, count says yes": "echo '1 passed, 0 failed, 0 skipped'\nexit 3",
            "status says yes, count says no": "echo '1 passed, 1 failed, 0 skipped'\nexit 0",
            "count line is not the last": "echo '1 passed, 0 failed, 0 skipped'\necho more",
            "a skip without a reason": "echo '1 passed, 0 failed, 1 skipped'",
            "a reason without a skip": "echo 'SKIP a: b'\necho '1 passed, 0 failed, 0 skipped'",
            "nothing ran": "echo '0 passed, 0 failed, 0 skipped'",
        }
        for what, body in lies.items():
            with self.subTest(what):
                self.part("10-a", body)
                self.assertEqual(self.run_all(), 1, self.text)

    def test_a_part_without_head_comment_or_permission_is_a_failure(self):
        good = "echo '1 passed, 0 failed, 0 skipped'"
        self.part("10-a", good, head="#!/bin/sh\n# what: x\n")
        self.assertEqual(self.run_all(), 1)
        self.part("10-a", good, head="#!/bin/sh\n# budget: 5\n")
        self.assertEqual(self.run_all(), 1)
        self.part("10-a", good, mode=0o644)
        self.assertEqual(self.run_all(), 1)
        self.assertIn("not executable", self.text)

    def test_a_skip_fails_the_gate(self):
        self.part("10-a", "echo 'SKIP a: b'\necho '1 passed, 0 failed, 1 skipped'")
        self.assertEqual(self.run_all(), 0)
        self.assertEqual(self.run_all(tier="gate"), 1)
        self.assertEqual(self.last, "1 passed, 1 failed, 0 skipped")

    def test_budgets_beyond_the_promise_are_a_failure(self):
        self.part("10-a", "echo '1 passed, 0 failed, 0 skipped'", budget="1000")
        self.part("20-b", "echo '1 passed, 0 failed, 0 skipped'", budget="201")
        self.assertEqual(self.run_all(), 1)
        self.assertIn("add up to 1201 s", self.text)

    def test_tiers_and_names_select_parts(self):
        body = "echo \"tier $LEAT_TIER\"\necho '1 passed, 0 failed, 0 skipped'"
        self.part("10-a", body)
        self.part("20-long", body, head="#!/bin/sh\n# what: x\n# budget: 0\n# gate-budget: 5\n")
        self.assertEqual(self.run_all(), 0)
        self.assertEqual(self.last, "1 passed, 0 failed, 0 skipped")
        self.assertEqual(self.run_all(tier="gate"), 0)
        self.assertEqual(self.last, "2 passed, 0 failed, 0 skipped")
        self.assertEqual(self.run_all("long"), 0)
        self.assertEqual(self.last, "1 passed, 0 failed, 0 skipped")
        self.assertEqual(self.run_all("nothing-like-it"), 1)

    def test_an_empty_folder_of_parts_is_a_failure(self):
        self.assertEqual(self.run_all(), 1)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    unittest.main()
