"""Is a history of a register linearizable? The checker of Wing and Gong with a memory of what was tried, for one register.

An operation is (begin, end, kind, argument, result): kind "write" sets argument (result True: it did, False: its condition
failed, None: not known), with a condition (expected value or None); "read" gives result. Times are of one clock.
"""


def linearizable(operations):
    """True if there is an order of the operations, each within its time, that explains all results."""
    ops = sorted((o for o in operations if o["result"] is not None or o["kind"] == "write"), key=lambda o: o["begin"])
    unknown = {}  # writes of which the answer was lost, by what they expect: they may happen at any later time, or never
    for i, o in enumerate(ops):
        if o["result"] is None:
            unknown.setdefault(o["expected"], []).append(i)
    seen = set()
    stack = [(0, frozenset(), None)]  # the first that is left of those that are known; what is done behind it, and of the others; the value
    while stack:
        first, done, value = stack.pop()
        while first < len(ops) and (ops[first]["result"] is None or first in done):
            first += 1
        if first == len(ops):
            return True  # what is left is not known: it need not have happened
        done = frozenset(i for i in done if i > first or ops[i]["result"] is None)
        if (first, done, value) in seen:
            continue
        seen.add((first, done, value))
        may, first_end, i = [], ops[first]["end"], first
        while i < len(ops) and ops[i]["begin"] <= first_end:
            if ops[i]["result"] is not None and i not in done:
                may.append(i)
                first_end = min(first_end, ops[i]["end"])
            i += 1
        may += [i for i in unknown.get(value, ()) if i not in done]
        for i in may:
            o = ops[i]
            after = apply(o, value) if o["begin"] <= first_end else None
            if after is not None:
                stack.append((first, done | {i}, after[0]))
    return False


def apply(o, value):
    """(value after it,), or None if it could not have answered that now. Of a lost answer: or if it would have done nothing."""
    if o["kind"] == "read":
        return (value,) if o["result"][0] == value else None
    holds = o["expected"] == value
    if o["result"] is False:
        return (value,) if not holds else None
    return (o["argument"],) if holds else None


def write(begin, end, expected, argument, result):
    return {"begin": begin, "end": end, "kind": "write", "expected": expected, "argument": argument, "result": result}


def read(begin, end, value):
    return {"begin": begin, "end": end, "kind": "read", "argument": None, "result": (value,)}


def self_test(count):
    """The checker finds planted faults, and accepts what is right."""
    good = [write(0, 2, None, 1, True), write(1, 3, None, 2, False), read(2, 4, 1), write(4, 6, 1, 5, True), read(5, 8, 1), read(7, 8, 5)]
    count.show("the checker accepts a good history", linearizable(good))
    count.show("the checker accepts a write whose answer was lost, done or not",
               linearizable([write(0, 9, None, 1, None), read(2, 3, None), read(4, 5, 1)]) and
               linearizable([write(0, 9, None, 1, None), read(4, 5, None)]))
    count.show("the checker accepts a lost write that was done after its client had given up",
               linearizable([write(0, 1, None, 1, None), read(2, 3, None), write(2, 4, None, 2, False), read(5, 6, 1)]))
    bad = {
        "a stale read": [write(0, 1, None, 1, True), write(2, 3, 1, 2, True), read(4, 5, 1)],
        "two writers that both succeed": [write(0, 3, None, 1, True), write(1, 4, None, 2, True)],
        "a value that nobody wrote": [write(0, 1, None, 1, True), read(2, 3, 7)],
        "a refusal without a reason": [write(0, 1, None, 1, True), write(2, 3, 1, 2, False)],
        "a value that comes back": [write(0, 1, None, 1, True), write(2, 3, 1, 2, True), read(2, 9, 2), read(10, 11, 1)],
        "two lost writers that were both done": [write(0, 1, None, 1, None), write(0, 1, None, 2, None), read(2, 3, 1), read(4, 5, 2)],
        "a lost write that is undone": [write(0, 1, None, 1, None), read(2, 3, 1), read(4, 5, None)],
        "a lost write that was done before it was asked for": [read(0, 1, 1), write(2, 3, None, 1, None), read(4, 5, 1)],
        "two readers in opposite order": [write(0, 9, None, 1, True), read(1, 2, 1), read(3, 4, None)],
    }
    for name, history in bad.items():
        count.show(f"the checker refuses {name}", not linearizable(history))
