"""What the checks of `make lint` share: the list of files, C text without comments, and exceptions.

An exception is a comment in the line that breaks a rule, or alone in the line above:
    /* lint: allow RULE: reason */
An exception without a reason, or one that nothing needs any more, is itself a finding.
"""
import pathlib
import re
import subprocess

TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
ALLOW = re.compile(r"lint: allow ([a-z-]+)(?::\s*(\S.*?))?\s*(?:\*/|$)")


def files(root, *suffixes):
    """Paths, relative to root, of the files that belong to the project: tracked, or new and not ignored."""
    root = pathlib.Path(root)
    try:
        out = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others",
                              "--exclude-standard"], capture_output=True, check=True).stdout.decode()
        names = sorted(set(filter(None, out.split("\0"))))
    except (OSError, subprocess.CalledProcessError):
        names = sorted(str(p.relative_to(root)) for p in root.rglob("*")
                       if p.is_file() and not {"build", ".git", "node_modules"} & set(p.parts))
    return [n for n in names if (not suffixes or n.endswith(suffixes)) and (root / n).is_file()
            and not (root / n).is_symlink()]


def strip(text):
    """C text with comments and the insides of literals blanked; line numbers stay the same.

    The target of an #include is kept: its quotes are not a literal."""
    def blank(match):
        token = match.group(0)
        start = text.rfind("\n", 0, match.start()) + 1
        if token[0] == '"' and re.match(r"\s*#\s*include\s", text[start:match.start()] + " "):
            return token
        if token[0] in "\"'":
            return token[0] + " " * (len(token) - 2) + token[-1]
        return re.sub(r"[^\n]", " ", token)
    return TOKEN.sub(blank, text)


class Findings:
    """Collects findings of one file and settles them against its exceptions."""

    def __init__(self, name, text, rules):
        self.name, self.found, self.allowed, self.rules = name, [], {}, rules
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            match = ALLOW.search(line)
            if not match or match.group(1) not in rules:
                continue
            alone = not strip(line).strip() and re.match(r"\s*(/\*|//|\*|#)", line)
            target = number + 1 if alone else number
            if not match.group(2):
                self.found.append((number, match.group(1), "this exception gives no reason"))
            self.allowed[(target, match.group(1))] = number
        self.used = set()

    def add(self, number, rule, message):
        assert rule in self.rules, rule
        if (number, rule) in self.allowed:
            self.used.add((number, rule))
        else:
            self.found.append((number, rule, message))

    def settle(self):
        """Prints all findings, stale exceptions among them; returns how many."""
        for key, number in self.allowed.items():
            if key not in self.used:
                self.found.append((number, key[1], "nothing needs this exception any more: remove it"))
        for number, rule, message in sorted(self.found):
            print(f"{self.name}:{number}: {message} [{rule}]")
        return len(self.found)
