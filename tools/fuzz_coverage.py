#!/usr/bin/env python3
"""Which lines of src/ the fuzz targets reach with their corpora.

tools/fuzz_coverage.py [--missed ROOM] [TARGET]...      after `make V=cov fuzzers`

Replays the tracked corpus (and the working one, build/fuzz/corpus, if it is there) of each target in the build with
--coverage and prints lines reached, by room and target. --missed names the functions of a room that no target reached.
"""
import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys


def read_lines(objects, into):
    """Adds {(file, line): reached} and {(file, function): count} of the .gcda files below `objects`."""
    data = [str(p) for p in objects.rglob("src/**/*.gcda")]
    if not data:
        return
    # To standard output, a line for each: files of the same name in two rooms would be the same file.
    done = subprocess.run(["gcov", "--json-format", "--stdout", *data], check=True, capture_output=True, text=True)
    for report in done.stdout.splitlines():
        for one in json.loads(report)["files"]:
            name = one["file"]
            if not name.startswith("src/"):
                continue
            for line in one["lines"]:
                key = (name, line["line_number"])
                into.lines[key] = into.lines.get(key, False) or line["count"] > 0
            for function in one["functions"]:
                into.functions[(name, function["name"])] += function["execution_count"]


class Coverage:
    def __init__(self):
        self.lines, self.functions = {}, collections.Counter()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--missed")
    parser.add_argument("targets", nargs="*")
    args = parser.parse_args()
    build = pathlib.Path(os.environ.get("LEAT_BUILD", "build"))
    targets = args.targets or sorted(p.stem for p in pathlib.Path("test/fuzz/targets").glob("*.c"))
    together, of_target = Coverage(), {}
    for target in targets:
        for old in (build / "cov/obj").rglob("*.gcda"):
            old.unlink()
        corpora = [p for p in (pathlib.Path("test/fuzz/corpus", target), build / "fuzz/corpus" / target) if p.is_dir()]
        done = subprocess.run([build / "cov/fuzz" / target, *corpora], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"{target}: {done.stdout[-300:]}{done.stderr[-1000:]}", file=sys.stderr)
            return 1
        of_target[target] = Coverage()
        read_lines(build / "cov/obj", of_target[target])
        read_lines(build / "cov/obj", together)
    rooms = sorted({name.split("/")[1] for name, _ in together.lines})
    print(f"{'':16}" + "".join(f"{room:>9}" for room in rooms))
    for target, c in [*of_target.items(), ("together", together)]:
        counts = collections.Counter(name.split("/")[1] for (name, _), reached in c.lines.items() if reached)
        print(f"{target:16}" + "".join(f"{counts[room]:9}" for room in rooms))
    of_room = collections.Counter(name.split("/")[1] for name, _ in together.lines)
    print(f"{'of':16}" + "".join(f"{of_room[room]:9}" for room in rooms))
    for (name, function), count in sorted(together.functions.items()):
        if args.missed and count == 0 and name.split("/")[1] == args.missed:
            print(f"  never reached: {name}: {function}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
