#!/usr/bin/env python3
"""The order flow under a rough hand: random interleavings, kill -9 of leat and of every service, rebuilds while it runs.

    test/flow/chaos.py [--postgres] SECONDS [SEED]

--postgres: the read models are in PostgreSQL, which is killed too. LEAT_SERVER: the leat that serves is another one than that of
LEAT_BUILD, where the services are from (librdkafka does not run under TSan). At the end everybody is left in peace; then each order
was decided once, and views and tables equal a fold of the log.
"""
import json
import os
import pathlib
import random
import shutil
import sqlite3
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), "test/net"]
import tiny  # noqa: E402
from database import BIN, Database  # noqa: E402
from services import FLOW, Cast, SteadyServer  # noqa: E402
from customers import Customers  # noqa: E402
from server import Client  # noqa: E402

GROUPS = [("inventory-service", "es.order"), ("notification-service", "es.order"), ("payment-service", "es.order"),
          ("order-service", "es.order"), ("order-service", "es.product")]
PROJECTIONS = [p.stem for p in sorted((FLOW / "projections").glob("*.yaml"))]


def prepare(count, cast, database):
    status, text = cast.run("node", "setup.js")
    count.show("categories, products, topics", status == 0, text)
    for kind in ("fold", "projection"):
        for path in sorted((FLOW / f"{kind}s").glob("*.yaml")):
            definition = cast.work / path.name
            text = path.read_text().replace("keep: 1m", "keep: 3s")  # a few versions at a time, not more
            if database is not None:
                text = text.replace("target: sqlite:order-flow.db", f'target: "{database.target}"')
            definition.write_text(text)
            status, text = cast.leat(kind, "apply", str(definition))
            count.show(f"{kind} {path.stem} is declared", status == 0, text)


def rough_hand(cast, server, database, seconds, seed):
    """What it did, by name."""
    blows = ["leat", "service", "service", "both", "rebuild", "rebuild"] + ["database"] * (database is not None)
    rng, did, deck = random.Random(seed), {"leat": 0, "service": 0, "rebuild": 0}, []
    if database is not None:
        did["database"] = 0
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(0.2 + rng.random())
        if not deck:
            deck = list(blows)
            rng.shuffle(deck)
        what = deck.pop()
        if what in ("service", "both"):
            cast.kill(rng.choice(sorted(cast.running)))
            did["service"] += 1
        if what in ("leat", "both"):
            server.kill()
            time.sleep(rng.random() * 0.3)
            server.start()
            did["leat"] += 1
        if what == "database":
            database.kill()
            database.start()
            did["database"] += 1
        if what == "rebuild":  # refused if one is on its way
            did["rebuild"] += cast.leat("projection", "rebuild", rng.choice(PROJECTIONS))[0] == 0
        cast.again()
    return did


def sqlite_rows(server, select):
    with sqlite3.connect(f"file:{server.data}/derived/views/order-flow.db?mode=ro", uri=True) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(select)]


def tables_and_views(count, server, database):
    """The rows of the database are the rows over HTTP."""
    client = Client(server)
    for view in client.call("GET", "/api/v1/views")[1]["views"]:
        name, key = view["name"], view["key"]
        status, body, _ = client.call("GET", f"/api/v1/views/{name}?limit=10000")
        table = f"{name}__v{body['version']}"
        select = f"SELECT {', '.join(view['columns'])} FROM {table}"
        stored = sqlite_rows(server, select) if database is None else database.rows(select)
        order = lambda row: [row[k] for k in key]  # noqa: E731
        count.show(f"table {table} is the view, {len(stored)} rows", status == 200 and stored != [] and
                   sorted(stored, key=order) == sorted(body["rows"], key=order), (len(stored), len(body["rows"])))
    client.close()


def rebuild(cast, name):
    """Built anew and served; what is kept from before may first have to go."""
    ends = time.monotonic() + 20
    while True:
        status, text = cast.leat("projection", "rebuild", name, "--follow")
        if status == 0 or time.monotonic() > ends:
            return status, text
        time.sleep(0.5)


def behind_after(cast, groups):
    """How far each group is behind when that gets no less any more: slow is not stuck."""
    ends, before = time.monotonic() + 40, None
    while True:
        behind = [sum(p["lag"] for p in json.loads(cast.leat("group", "show", g, "-o", "json")[1])["partitions"]) for g in groups]
        if not any(behind) or time.monotonic() > ends:
            return behind
        if behind != before:
            ends, before = time.monotonic() + 40, behind
        time.sleep(0.3)


def once_more(count, cast):
    """Every event is delivered to every service again, as if all had been killed before their first commit: each event that
    they append again has the id that it had, or it would be there twice."""
    commands = dict(cast.commands)
    for name in commands:
        cast.dismiss(name)
    for group, topic in GROUPS:
        ends = time.monotonic() + 20
        while True:  # who was killed is a member for a while
            status, text = cast.leat("group", "seek", group, "--topic", topic, "--to", "start")
            if status == 0 or time.monotonic() > ends:
                break
            time.sleep(0.3)
        count.show(f"{group} gets {topic} once more", status == 0, text)
    cast.commands.update(commands)
    cast.again()
    behind = behind_after(cast, [group for group, _ in GROUPS])
    count.show("the services have seen everything once more", not any(behind), behind)


def check(count, cast, when):
    status, text = cast.run("node", "check.js", limit_s=300, CHECK_SECONDS="25")
    if status != 0:
        text += cast.leat("projection", "ls")[1]
    count.show(f"{when}: {text.splitlines()[0] if text else 'nothing'}", status == 0, text)


def parked(count, server):
    client = Client(server)
    for name in PROJECTIONS:
        body = client.call("GET", f"/api/v1/projections/{name}/parked")[1]
        count.show(f"{name}: no event is parked", body["parked"] == [], body)
    client.close()


def forget(count, server):
    """A customer who is forgotten: her row is without a name after the rebuild, and the check reads the event without its data."""
    client = Client(server)
    client.append("customer-lost", [{"type": "CustomerRegistered", "data": {"name": "Secret", "region": "test"}}], "no_stream")
    status, body, _ = client.call("POST", "/api/v1/streams/customer-lost/events/0/redact", {"reason": "asked to be forgotten"})
    count.show("a customer's registration is redacted", status == 200 and body["erased"], (status, body))
    client.close()


def bad_event(count, cast, server):
    """An order without a customer, and a payment's answer without data: the order waits under its key, everything else goes on, a
    person gives it up. No service is held up by what it cannot read."""
    client = Client(server)
    path = "/api/v1/projections/customer_orders/parked"
    appended = client.append("order-bad", [{"id": "bad", "type": "OrderPlaced", "data": {"total": 1}},
                                           {"id": "worse", "type": "PaymentDeclined", "data": None}], "no_stream")[1]
    status, text, _ = client.call("GET", f"/api/v1/projections/customer_orders/wait?at_least={appended['position']}&timeout=10s")
    count.show("the projection gets beyond a bad event", status == 200, text)
    keys = client.call("GET", path)[1]["parked"]
    count.show("a bad event is parked, with its reason", [k["key"] for k in keys] == ["order-bad"] and
               "customer_id" in json.dumps(keys), keys)
    status, text = cast.leat("projection", "skip", "customer_orders", "order-bad")
    count.show("it is given up", status == 0, text)
    count.show("no key waits any more", client.call("GET", path)[1]["parked"] == [], text)
    client.close()
    behind = behind_after(cast, [group for group, topic in GROUPS if topic == "es.order"])
    count.show("every service gets beyond it", not any(behind), behind)


def play(count, cast, server, database, seconds, seed):
    prepare(count, cast, database)
    cast.again()
    crowd = [Customers(server, seed, n) for n in range(4)]
    for customers in crowd:
        customers.start()
    did = rough_hand(cast, server, database, seconds, seed)
    cast.dismiss("shop")
    for customers in crowd:
        customers.stopping = True
    for customers in crowd:
        customers.join(30)
    total = {k: sum(getattr(c, k) for c in crowd) for k in ("cancelled", "conflicts", "too_late", "repeated")}
    count.show(f"no customer saw what may not be: {total}", all(c.problem is None for c in crowd), [c.problem for c in crowd])
    count.show("commands met on the same orders", min(total["cancelled"], total["conflicts"], total["too_late"]) > 0, total)
    count.show(f"seed {seed}: killed or rebuilt, how often: {did}", all(did.values()), did)
    count.show("no service ended by itself", cast.fallen == [], "\n".join(cast.fallen))
    check(count, cast, "after it")
    tables_and_views(count, server, database)
    once_more(count, cast)
    forget(count, server)
    for name in PROJECTIONS:
        status, text = rebuild(cast, name)
        count.show(f"{name} is rebuilt", status == 0, text)
    check(count, cast, "after rebuilds, and all events once more")
    tables_and_views(count, server, database)
    parked(count, server)
    bad_event(count, cast, server)


def main():
    count = tiny.Count()
    build = os.path.abspath(os.environ.get("LEAT_BUILD", "build"))
    postgres = sys.argv[1] == "--postgres"
    numbers = sys.argv[1 + postgres:]
    seconds = float(numbers[0])
    seed = int(numbers[1]) if len(numbers) > 1 else int(time.time())
    if postgres and BIN is None:
        count.skip("the flow into PostgreSQL", "PostgreSQL is not installed (package postgresql)")
        count.finish()
    print(f"seed {seed}", flush=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="leat-flow-"))
    server = cast = database = None
    try:
        server = SteadyServer(os.environ.get("LEAT_SERVER", f"{build}/release/leat"), work)
        cast = Cast(build, work, server, seed)
        database = Database() if postgres else None
        play(count, cast, server, database, seconds, seed)
    except Exception as error:  # pylint: disable=broad-except
        count.show("the test itself", False, f"{type(error).__name__}: {error} at line {error.__traceback__.tb_next.tb_lineno}")
    finally:
        if cast is not None:
            cast.end()
        if server is not None:
            server.end()
        if database is not None:
            database.end()
        if os.environ.get("LEAT_KEEP") is None:
            shutil.rmtree(work, ignore_errors=True)
    count.finish()


main()
