#!/usr/bin/env python3
"""Tests of how test/compat/harness judges: a late Kafka is asked again, leat is not. Run by part 10-lint."""
import contextlib
import importlib.util
import io
import pathlib
import sys
import unittest

HARNESS = pathlib.Path(__file__).resolve().parent.parent / "compat" / "harness"
sys.path.insert(0, str(HARNESS))
sys.dont_write_bytecode = True
from outcomes import Outcome  # noqa: E402 pylint: disable=wrong-import-position

SPEC = importlib.util.spec_from_file_location("harness", HARNESS / "__main__.py")
harness = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(harness)


class Broker:
    name = "kafka"
    started = 0

    def start(self):
        Broker.started += 1

    def stop(self):
        pass


class Session:
    """A session whose Kafka gives `answers`: {client: {scenario: Outcome}}."""

    def __init__(self, answers):
        self.answers, self.asked, self.report = answers, [], harness.Report()
        Broker.started = 0

    def kafka(self):
        return Broker()

    def run_all(self, broker, _run, clients, names):
        self.asked += [(client, name) for client in clients for name in names]
        return {client: {name: self.answers[client][name] for name in names} for client in clients}

    judge = harness.Session.judge


class NoDifferences:
    def covers(self, *_names):
        return False


def saw(**facts):
    return Outcome.from_json(facts)


class AskAgainTest(unittest.TestCase):
    def judge(self, left, right, answers):
        session = Session(answers)
        with contextlib.redirect_stdout(io.StringIO()):
            harness.ask_again(session, left, right, NoDifferences())
            session.judge(left, right, NoDifferences())
        return session

    def test_a_kafka_that_was_late_is_asked_again_for_that_scenario_only(self):
        session = self.judge({"a": {"x": saw(error="waited in vain"), "y": saw(n=1)}, "b": {"x": saw(n=0)}},
                             {"a": {"x": saw(n=1), "y": saw(n=1)}, "b": {"x": saw(n=2)}},
                             {"a": {"x": saw(n=1)}, "b": {"x": saw(n=2)}})
        self.assertEqual(session.asked, [("a", "x"), ("b", "x")])
        self.assertEqual((session.report.passed, session.report.failed, Broker.started), (3, 0, 1))

    def test_what_differs_again_is_a_failure(self):
        session = self.judge({"a": {"x": saw(n=1)}}, {"a": {"x": saw(n=2)}}, {"a": {"x": saw(n=1)}})
        self.assertEqual((session.report.passed, session.report.failed), (0, 1))

    def test_an_error_of_leat_stays_one(self):
        session = self.judge({"a": {"x": saw(n=1)}}, {"a": {"x": saw(error="lost")}}, {"a": {"x": saw(n=1)}})
        self.assertEqual((session.report.passed, session.report.failed), (0, 1))

    def test_nobody_is_asked_where_both_agree(self):
        session = self.judge({"a": {"x": saw(n=1)}}, {"a": {"x": saw(n=1)}}, {})
        self.assertEqual((session.asked, session.report.passed, Broker.started), ([], 1, 0))


if __name__ == "__main__":
    unittest.main()
