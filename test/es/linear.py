"""Is a history of a register linearizable? The checker of Wing and Gong with a memory of what was tried, for one register.

An operation is (begin, end, kind, argument, result): kind "write" sets argument (result True: it did, False: its condition
failed, None: not known), with a condition (expected value or None); "read" gives result. Times are of one clock.
"""


def linearizable(operations):
    """True if there is an order of the operations, each within its time, that explains all results."""
    ops = sorted(operations, key=lambda o: o["begin"])
    todo = frozenset(i for i, o in enumerate(ops) if o["result"] is not None or o["kind"] == "write")
    seen = set()
    stack = [(todo, None)]
    while stack:
        left, value = stack.pop()
        must = [i for i in left if ops[i]["result"] is not None]
        if not must:
            return True  # what is left is not known: it need not have happened
        if (left, value) in seen:
            continue
        seen.add((left, value))
        first_end = min(ops[i]["end"] for i in must)
        for i in left:
            o = ops[i]
            if o["begin"] > first_end:
                continue
            after = apply(o, value)
            if after is not None:
                stack.append((left - {i}, after[0]))
    return False


def apply(o, value):
    """(value after it,), or None if it could not have answered that now."""
    if o["kind"] == "read":
        return (value,) if o["result"][0] == value else None
    holds = o["expected"] == value
    if o["result"] is True:
        return (o["argument"],) if holds else None
    if o["result"] is False:
        return (value,) if not holds else None
    return (o["argument"],) if holds else (value,)


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
    bad = {
        "a stale read": [write(0, 1, None, 1, True), write(2, 3, 1, 2, True), read(4, 5, 1)],
        "two writers that both succeed": [write(0, 3, None, 1, True), write(1, 4, None, 2, True)],
        "a value that nobody wrote": [write(0, 1, None, 1, True), read(2, 3, 7)],
        "a refusal without a reason": [write(0, 1, None, 1, True), write(2, 3, 1, 2, False)],
        "a value that comes back": [write(0, 1, None, 1, True), write(2, 3, 1, 2, True), read(2, 9, 2), read(10, 11, 1)],
        "two readers in opposite order": [write(0, 9, None, 1, True), read(1, 2, 1), read(3, 4, None)],
    }
    for name, history in bad.items():
        count.show(f"the checker refuses {name}", not linearizable(history))
