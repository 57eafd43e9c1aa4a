"""What a scenario showed, and how the outcomes of two brokers are compared.

An outcome is a flat list of facts: name -> JSON value. Drivers choose facts that must be equal on
every correct broker (offsets, counts, error names, values) and leave out times and generated ids.
"""

import fnmatch
import json
import os
import time


class Outcome:
    """The facts of one scenario with one client on one broker."""

    def __init__(self):
        self.facts = {}
        self.not_applicable = None
        self.error = None
        self.complete = False
        self.began = time.monotonic()
        self.seconds = 0.0

    def as_json(self):
        if self.not_applicable is not None:
            return {"n/a": self.not_applicable}
        if self.error is not None:
            return {"error": self.error}
        return self.facts

    @staticmethod
    def from_json(value):
        outcome = Outcome()
        outcome.complete = True
        outcome.not_applicable = value.pop("n/a", None)
        outcome.error = value.pop("error", None)
        outcome.facts = value
        return outcome


class Differences:
    """The listed differences between Kafka and leat: the only ones that do not fail."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as source:
            self.entries = json.load(source)
        for entry in self.entries:
            for key in ("clients", "scenario", "fact", "leat", "reason"):
                if key not in entry:
                    raise ValueError("%s: an entry lacks %r: %r" % (path, key, entry))
            entry["used"] = False

    def covers(self, client, scenario, fact, kafka, leat):
        for entry in self.entries:
            if ((entry["clients"] == "*" or client in entry["clients"]) and entry["scenario"] == scenario
                    and fnmatch.fnmatchcase(fact, entry["fact"]) and matches(entry.get("kafka", "*"), kafka)
                    and matches(entry["leat"], leat)
                    and not any(matches(pattern, leat) for pattern in entry.get("unless", ()))):
                entry["used"] = True
                return True
        return False

    def unused(self):
        return [entry for entry in self.entries if not entry["used"]]


def matches(pattern, value):
    """A string pattern is a glob over the value's text, anything else must be equal."""
    if isinstance(pattern, str):
        return fnmatch.fnmatchcase(value if isinstance(value, str) else json.dumps(value, sort_keys=True), pattern)
    return pattern == value


def compare(client, scenario, kafka, leat, differences):
    """Returns the list of problems: an empty one means that the outcomes agree."""
    problems = []
    for side, outcome in (("kafka", kafka), ("leat", leat)):
        if outcome is None:
            problems.append("%s: no outcome" % side)
        elif outcome.error is not None:
            if not (side == "leat" and kafka is not None and kafka.error is None
                    and differences.covers(client, scenario, "error", None, outcome.error)):
                problems.append("%s: %s" % (side, outcome.error))
        elif not outcome.complete:
            problems.append("%s: the driver ended in the middle" % side)
    if problems or kafka.not_applicable is not None or leat.error is not None:
        if not problems and kafka.not_applicable != leat.not_applicable:
            problems.append("n/a on one side only")
        return problems
    for fact in sorted(set(kafka.facts) | set(leat.facts)):
        left, right = kafka.facts.get(fact), leat.facts.get(fact)
        if left != right and not differences.covers(client, scenario, fact, left, right):
            problems.append("%s: kafka %s, leat %s" % (fact, shorten(left), shorten(right)))
    return problems


def shorten(value, limit=300):
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= limit else text[:limit] + "..."


def golden_path(folder, client):
    return os.path.join(folder, client + ".json")


def load_golden(folder, client):
    with open(golden_path(folder, client), encoding="utf-8") as source:
        return {name: Outcome.from_json(value) for name, value in json.load(source)["scenarios"].items()}


def save_golden(folder, client, version, outcomes):
    """Merges, so that recording one scenario again leaves the others as they were."""
    path = golden_path(folder, client)
    kept = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as source:
            kept = json.load(source)["scenarios"]
    kept.update({name: outcome.as_json() for name, outcome in outcomes.items()})
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"recorded_from": "Apache Kafka " + version, "scenarios": kept}, out, indent=1, sort_keys=True,
                  ensure_ascii=False)
        out.write("\n")
