"""The compatibility harness: the same scenarios with real clients on a real Apache Kafka and on leat.

  python3 test/compat/harness list
  python3 test/compat/harness run [--against golden|live] [--scale test|gate] [--client C] [--scenario S]
  python3 test/compat/harness show --broker kafka|leat --client C [--scenario S]
  python3 test/compat/harness selftest        a live Kafka against its record: the drivers must be repeatable
  python3 test/compat/harness record          writes golden/*.json from a live Kafka
  python3 test/compat/harness events          the event store met by plain clients; with --record: keeps what they saw
  python3 test/compat/harness --write-doc     writes the tables of docs/compatibility.md and docs/event-store-kafka.md
  python3 test/compat/harness --check-doc     fails when they are not up to date
"""

import argparse
import concurrent.futures
import json
import os
import sys
import time

import document
import events
from brokers import KAFKA_VERSION, BrokerError, Kafka, Leat
from clients import CLIENTS, SCENARIOS, BuildFailed, Clients, NotHere
from outcomes import Differences, compare, load_golden, save_golden
from runs import run_driver

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
GOLDEN = os.path.join(ROOT, "test/compat/golden")
DIFFERENCES = os.path.join(HERE, "differences.json")


class Report:
    """Counts, and says each thing once."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def skip(self, name, reason):
        self.skipped += 1
        print("SKIP %s: %s" % (name, reason), flush=True)

    def fail(self, name, problems):
        self.failed += 1
        print("FAIL %s" % name)
        for problem in problems:
            print("     %s" % problem)
        sys.stdout.flush()

    def ok(self):
        self.passed += 1

    def last_line(self):
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped), flush=True)
        return 1 if self.failed else 0


class Session:
    """One invocation: which clients and scenarios, where the logs go."""

    def __init__(self, options):
        self.options = options
        self.out = os.path.join(ROOT, "build/compat")
        self.logs = os.path.join(self.out, "logs")
        os.makedirs(self.logs, exist_ok=True)
        self.makers = Clients(ROOT, self.out)
        known = events.SCENARIOS if options.verb == "events" else SCENARIOS
        self.names = [name for name in known if not options.scenario or name in options.scenario]
        self.report = Report()
        self.commands = {}
        for client in CLIENTS:
            if options.client and client not in options.client:
                continue
            if options.verb == "events" and client not in events.CLIENTS:
                continue
            try:
                self.commands[client] = self.makers.command(client)
            except NotHere as reason:
                self.report.skip(client, str(reason))
            except BuildFailed as reason:
                self.report.fail(client, [str(reason)])

    def kafka(self):
        return Kafka(ROOT, self.out, os.environ.get("KAFKA_JAVA", "java"))

    def leat(self):
        return Leat(self.options.build, self.out)

    def run_all(self, broker, run, clients=None, names=None, prefix=lambda client, run: "%s0%s" % (client, run)):
        """Runs every client against `broker`; returns {client: {scenario: Outcome}}."""
        def one(client):
            command, additions = self.commands[client]
            log = os.path.join(self.logs, "%s.%s.log" % (client, broker.name))
            begin = time.monotonic()
            outcomes = run_driver(command, additions, broker, prefix(client, run), self.options.scale, names or self.names, log)
            slow = sorted(outcomes.items(), key=lambda item: -item[1].seconds)[:3]
            print("ran  %-17s on %-5s %3d scenarios in %3d s (%s)" % (
                client, broker.name, len(outcomes), time.monotonic() - begin,
                ", ".join("%s %.0f" % (name, outcome.seconds) for name, outcome in slow)), flush=True)
            return client, outcomes
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            return dict(pool.map(one, clients or list(self.commands)))

    def judge(self, left, right, differences):
        not_applicable = 0
        for client in right:
            for scenario, outcome in right[client].items():
                problems = compare(client, scenario, left[client].get(scenario), outcome, differences)
                if problems:
                    self.report.fail("%s %s" % (client, scenario), problems)
                elif outcome.not_applicable is not None:
                    not_applicable += 1
                else:
                    self.report.ok()
        if not_applicable:
            print("%d times a client cannot express a scenario (docs/compatibility.md says why)" % not_applicable)


def with_broker(broker, work):
    """Starts, works, stops: also when the work fails."""
    try:
        broker.start()
        return work(broker)
    finally:
        broker.stop()


def run(session):
    options = session.options
    leat, kafka = session.leat(), session.kafka()
    if leat.why_not():
        session.report.fail("leat", [leat.why_not()])
        return session.report.last_line()
    differences = Differences(DIFFERENCES)
    live = options.against == "live"
    if live and kafka.why_not():
        session.report.skip("live comparison", kafka.why_not() + "; the recorded outcomes are used")
        live = False
    left = {}
    if live:
        left = with_broker(kafka, lambda broker: session.run_all(broker, "k"))
    else:
        left = {client: load_golden(GOLDEN, client) for client in session.commands}
    right = with_broker(leat, lambda broker: session.run_all(broker, "l"))
    if live:
        ask_again(session, left, right, differences)
    session.judge(left, right, differences)
    if live and not options.client and not options.scenario and not session.report.skipped:
        for entry in differences.unused():
            session.report.fail("listed difference", ["nothing differs any more: %s" % json.dumps(entry)])
    if options.live_subset and not live:
        live_subset(session, kafka, options.live_subset, left)
    return session.report.last_line()


def ask_again(session, left, right, differences):
    """On a busy machine a Kafka that meets eight clients at once answers some of them too late. Where the two brokers
    differ, Kafka is asked once more, one client at a time, and that answer counts. leat is asked once only."""
    unclear = {}
    for client, outcomes in right.items():
        for scenario, outcome in outcomes.items():
            problems = compare(client, scenario, left[client].get(scenario), outcome, differences)
            if problems:
                unclear.setdefault(client, []).append(scenario)
                print("again on kafka: %s %s: %s" % (client, scenario, "; ".join(problems)), flush=True)

    def work(broker):
        for client, names in unclear.items():
            left[client].update(session.run_all(broker, "m", [client], names)[client])

    if unclear:
        with_broker(session.kafka(), work)


def live_subset(session, kafka, clients, golden):
    """In the short run one client meets a live Kafka too (the first of the list that is here): the recorded outcomes must
    still be true."""
    client = next((name for name in clients.split(",") if name in session.commands), None)
    if client is None:
        session.report.skip("live Kafka", "none of %s is on this machine" % clients)
        return
    if kafka.why_not():
        session.report.skip("live Kafka", kafka.why_not())
        return
    fresh = with_broker(kafka, lambda broker: session.run_all(broker, "k", [client]))
    no_differences = _NoDifferences()
    for scenario, outcome in fresh[client].items():
        problems = compare(client, scenario, golden[client].get(scenario), outcome, no_differences)
        if problems:
            session.report.fail("%s %s: live Kafka against its record" % (client, scenario), problems)
        elif outcome.not_applicable is None:
            session.report.ok()


class _NoDifferences:
    def covers(self, *_names):
        return False


def selftest(session):
    """A live Kafka against its own record: what differs here is a driver that is not repeatable."""
    kafka = session.kafka()
    if kafka.why_not():
        session.report.skip("Kafka against its record", kafka.why_not())
        return session.report.last_line()
    left = {client: load_golden(GOLDEN, client) for client in session.commands}
    right = with_broker(kafka, lambda broker: session.run_all(broker, "a"))
    session.judge(left, right, _NoDifferences())
    return session.report.last_line()


def record(session):
    kafka = session.kafka()
    if kafka.why_not():
        raise BrokerError(kafka.why_not())
    everything = with_broker(kafka, lambda broker: session.run_all(broker, "r"))
    for client, outcomes in everything.items():
        for scenario, outcome in outcomes.items():
            if outcome.error is not None or not (outcome.complete or outcome.not_applicable):
                session.report.fail("%s %s" % (client, scenario), [str(outcome.error)])
            else:
                session.report.ok()
        good = {name: outcome for name, outcome in outcomes.items() if outcome.error is None}
        save_golden(GOLDEN, client, KAFKA_VERSION, good)
    return session.report.last_line()


def run_events(session):
    """The event store by plain clients: what must hold, and that each client sees what it saw when it was recorded."""
    leat, report = session.leat(), session.report
    if leat.why_not():
        report.fail("leat", [leat.why_not()])
        return report.last_line()
    recorded = events.load(GOLDEN)

    def work(broker):
        for client in session.commands:
            for part in broker.parts:
                events.make_category(part, events.category(client), 4)
                events.make_category(part, events.category(client) + "one", 1)
        return session.run_all(broker, "e", prefix=events.category)

    for client, outcomes in with_broker(leat, work).items():
        for scenario, outcome in outcomes.items():
            if session.options.record:
                recorded.setdefault(client, {})[scenario] = outcome.as_json()
            problems = events.judge(client, scenario, outcome, recorded.get(client, {}).get(scenario))
            if problems:
                report.fail("%s %s" % (client, scenario), problems)
            else:
                report.ok()
    if session.options.record:
        events.save(GOLDEN, recorded)
    return report.last_line()


def show(session):
    broker = session.leat() if session.options.broker == "leat" else session.kafka()
    if broker.why_not():
        raise BrokerError(broker.why_not())
    everything = with_broker(broker, lambda ready: session.run_all(ready, "s"))
    bad = False
    for client, outcomes in everything.items():
        for scenario, outcome in outcomes.items():
            print("%s %s" % (client, scenario))
            print(json.dumps(outcome.as_json(), indent=1, sort_keys=True, ensure_ascii=False))
            bad = bad or outcome.error is not None
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(prog="harness", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", nargs="?", choices=("list", "run", "show", "selftest", "record", "events"))
    parser.add_argument("--client", action="append", choices=CLIENTS)
    parser.add_argument("--scenario", action="append", choices=[*SCENARIOS, *events.SCENARIOS])
    parser.add_argument("--against", choices=("golden", "live"), default="golden")
    parser.add_argument("--broker", choices=("kafka", "leat"), default="kafka")
    parser.add_argument("--scale", choices=("test", "gate"), default="test")
    parser.add_argument("--live-subset", metavar="CLIENT[,CLIENT...]", help="the first of these that is here")
    parser.add_argument("--build", default=os.path.join(ROOT, "build/release"),
                        help="the folder that holds the leat binary")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--record", action="store_true", help="of events: keep what the clients saw")
    parser.add_argument("--write-doc", action="store_true")
    parser.add_argument("--check-doc", action="store_true")
    options = parser.parse_args()
    if options.write_doc or options.check_doc:
        return document.main(ROOT, GOLDEN, DIFFERENCES, options.write_doc)
    if options.verb is None:
        parser.print_help()
        return 2
    if options.verb == "list":
        for name, text in SCENARIOS.items():
            print("%-22s %s" % (name, text))
        print("clients: " + " ".join(CLIENTS))
        return 0
    session = Session(options)
    return {"run": run, "show": show, "selftest": selftest, "record": record,
            "events": run_events}[options.verb](session)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokerError as problem:
        print("harness: %s" % problem, file=sys.stderr)
        sys.exit(1)
