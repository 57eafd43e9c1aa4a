"""The rows of the event store: appends, reads and many streams over HTTP, beside PostgreSQL and Redis."""
import os
import sqlite3
import tempfile
import time

import harness

ES = 's'       # the category: with it the names of streams have 24 bytes
PG = 'bench'   # the table; the load program knows it by this name
WRITERS = 100  # connections that write what is read
PARTITIONS = 8  # of a category, unless it was made with another number


def es_target(broker, **more):
    return dict(proto='es', at=broker.http_at, **more)


def prepare(run, broker):
    """A category, or an empty table; the options of a load program for it."""
    if broker.name == 'postgres':
        broker.create(PG)
        return PG, {'beside': True}  # its processes are children: their CPU would count as somebody else's
    if broker.name == 'redis':
        broker.create(ES)
        return ES, {}
    broker.create_category(ES)
    return ES, es_target(broker)


def put_latencies(run, prefix, out):
    for key in ('p50_us', 'p99_us'):
        run.put(f'{prefix}_{key}', out[key])


# ---- One client ----------------------------------------------------------------------------------------------------

def declare_inflight(run):
    for key, name in (('p50_us', 'p50'), ('p99_us', 'p99')):
        run.declare(f'floor_request_{key}', f'receive 1 KiB, write 4 KiB direct + dsync, answer, {name} us')
    run.declare('es_inflight_p50_us', 'one conditional append of 1 KiB in flight over HTTP, p50 us', '1.15 x PostgreSQL')
    run.declare('es_inflight_p99_us', '  p99 us', 'below PostgreSQL')
    run.declare('es_inflight_rate', '  appends/s')
    run.declare('es_inflight_cpu', '  CPU of the server us an append', '', 1)


def inflight_floor(run):
    out = run.program('floor', 'latency', dir=run.args.dir, seconds=run.seconds(4, 1))
    for key in ('p50_us', 'p99_us'):
        run.put(f'floor_request_{key}', out[key])
        run.put(f'es_inflight_{key}', out[key])


def inflight(run, peer, started):
    with started(run, peer) as broker:
        name, target = prepare(run, broker)
        out = run.load(broker, 'wire', 'inflight', name, seconds=run.seconds(8, 2), warm=run.seconds(3, 1), **target)
        put_latencies(run, 'es_inflight', out)
        run.put('es_inflight_rate', out['per_second'])
        if peer == 'leat':
            run.put('es_inflight_cpu', out['broker_cpu_s'] / out['messages'] * 1e6)


# ---- In process ----------------------------------------------------------------------------------------------------

def sqlite_inserts(run, rows):
    """Events of 1 KiB a second that Python's sqlite3 inserts in this process, durably, so many in a transaction."""
    with tempfile.TemporaryDirectory(dir=run.args.dir) as work:
        db = sqlite3.connect(os.path.join(work, 'anchor.db'), isolation_level=None)
        db.executescript(f'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; '
                         f'CREATE TABLE {PG} (stream TEXT, revision INTEGER, event BLOB, UNIQUE (stream, revision))')
        event, count, began = os.urandom(1024), 0, time.monotonic()
        while (took := time.monotonic() - began) < run.seconds(4, 1):
            db.execute('BEGIN')
            db.executemany(f'INSERT INTO {PG} VALUES (?, ?, ?)', ((f'{ES}-{n % 100}', n // 100, event) for n in range(count, count + rows)))
            db.execute('COMMIT')
            count += rows
        db.close()
    return count / took


# ---- Many clients, many events -------------------------------------------------------------------------------------

def declare_fleet(run):
    run.declare('es_fleet', '256 connections, one append of 1 KiB in flight each, appends/s', '70 % of Redis, 60,000')
    run.declare('es_fleet_worst', '  the worst second')
    run.declare('es_fleet_cpu', '  CPU of the server us an append', '', 2)
    run.declare('es_fleet_p99', '  p99 us')
    run.declare('es_fleet_sqlite', '  SQLite in process, one insert of 1 KiB a transaction, inserts/s')


def fleet_floor(run):
    run.put('es_fleet_sqlite', sqlite_inserts(run, 1))


def fleet(run, peer, started):
    with started(run, peer) as broker:
        name, target = prepare(run, broker)
        out = run.load(broker, 'wire', 'fleet', name, connections=256, seconds=run.seconds(8, 2),
                       warm=run.seconds(3, 1), **target)
        run.put('es_fleet', out['per_second'])
        run.put('es_fleet_worst', out['worst_second'])
        run.put('es_fleet_p99', out['p99_us'])
        if peer != 'postgres':
            run.put('es_fleet_cpu', out['broker_cpu_s'] / out['messages'] * 1e6)


def declare_batch(run):
    run.declare('es_batch', 'appends of 100 events of 1 KiB (PostgreSQL: COPY of 1,000 rows), 4 connections, events/s',
                '200,000')
    run.declare('es_batch_worst', '  the worst second')
    run.declare('es_batch_cpu', '  CPU of the server us an event', '', 2)
    run.declare('es_batch_sqlite', '  SQLite in process, 1,000 events of 1 KiB a transaction, events/s')


def batch_floor(run):
    run.put('es_batch_sqlite', sqlite_inserts(run, 1000))


def batch(run, peer, started):
    rows = 1000 if peer == 'postgres' else 100
    with started(run, peer) as broker:
        name, target = prepare(run, broker)
        config = f'copy={rows}' if peer == 'postgres' else f'events={rows}'
        out = run.load(broker, 'wire', 'fleet', name, connections=4, seconds=run.seconds(8, 2),
                       warm=run.seconds(3, 1), config=config, **target)
        run.put('es_batch', out['per_second'] * rows)
        run.put('es_batch_worst', out['worst_second'] * rows)
        if peer == 'leat':
            run.put('es_batch_cpu', out['broker_cpu_s'] / out['messages'] / rows * 1e6)


# ---- Reading -------------------------------------------------------------------------------------------------------

def declare_read(run):
    run.declare('es_read_p50_us', 'a stream of 100 events that were written one by one, among 10,000: p50 us', '350')
    run.declare('es_read_p99_us', '  p99 us')
    run.declare('es_read_cold_p50_us', '  after what was cached is forgotten, p50 us')
    run.declare('es_read_cpu', '  CPU of the server us a read', '', 1)
    run.declare('es_read_category', 'a category through the C client, events/s', '90 % of plain')
    run.declare('es_read_plain', '  a plain Fetch of the same topic, messages/s')


def read(run, peer, started):
    """Events of 1 KiB, a hundred to a stream, the streams in turn."""
    streams = run.seconds(10000, 1000)
    with started(run, peer) as broker:
        name, target = prepare(run, broker)
        if peer == 'postgres':
            written = f'copy=1000,streams={streams}'
            asked = f'select=100,streams={streams}'
            run.load(broker, 'wire', 'fleet', name, connections=1, seconds=1, warm=0, config=written,
                     **{'warm-least': streams // 10}, **target)
            broker.settle(PG)
        else:
            written = f'streams={streams // WRITERS},run=1'
            asked = f'read=100,streams={streams // WRITERS},writers={WRITERS},run=1'
            # Connections are not equally fast. Once: names and ids are fixed, for those who read them; a second time each
            # append would be known, and answered with 200.
            run.load(broker, 'wire', 'fleet', name, connections=WRITERS, seconds=1, warm=0, config=written, once=True,
                     **{'warm-least': streams * 110}, **target)
        asking = dict(config=asked, **target)
        out = run.load(broker, 'wire', 'inflight', name, seconds=run.seconds(6, 2), **asking,
                       **{'warm-least': streams})  # each of them is read once before
        put_latencies(run, 'es_read', out)
        if peer == 'leat':
            run.put('es_read_cpu', out['broker_cpu_s'] / out['messages'] * 1e6)
            read_category(run, broker, name, streams * 100)
        if peer == 'leat':
            broker.stop()  # what it has mapped would stay
        harness.forget_files(broker.work)
        if peer == 'leat':
            broker.start()
            broker.create_category(ES)
        out = run.load(broker, 'wire', 'inflight', name, seconds=run.seconds(1, 0.2), warm=0, **asking)
        run.put('es_read_cold_p50_us', out['p50_us'])


def read_category(run, broker, name, count):
    category = dict(http=broker.http_at, at=broker.at, name=name, pid=broker.pid, count=count - 1)
    for counted in (False, True):
        got = run.program('category', 'read', ours=(broker.pid,), **category)
        plain = run.load(broker, 'rdk', 'consume', f'es.{name}', count=count, partitions=PARTITIONS, seconds=60)
        if counted:
            run.put('es_read_category', got['per_second'])
            run.put('es_read_plain', plain['per_second'])


# ---- Many streams --------------------------------------------------------------------------------------------------

def declare_streams(run):
    run.declare('es_streams_few', '256 connections, appends of 100 B, 1,000 streams, appends/s')
    run.declare('es_streams', '  10 million new streams (1 million with --quick): appends/s', 'as with 1,000')
    run.declare('es_streams_count', '  streams that there are then')
    run.declare('es_streams_anon', '  anonymous memory, the most, MiB', '300', 1)
    run.declare('es_streams_restart', '  start after kill -9 to the first answered append, ms', '2,000')
    run.declare('es_streams_restart_anon', '  anonymous memory after it, MiB', '300', 1)


def streams(run, peer, started):
    most = run.seconds(10000000, 1000000)
    if run.args.minutes is not None and run.args.minutes < 30:
        most = 1000000
    with started(run, peer) as broker:
        name, target = prepare(run, broker)
        fleet = dict(connections=256, bytes=100, warm=1, dir=None, **target)
        few = run.load(broker, 'wire', 'fleet', name, config='streams=4', seconds=run.seconds(8, 2), **fleet)
        fleet.update(seconds=1, **{'warm-least': most})
        out = run.load(broker, 'wire', 'fleet', name, config=f'streams={most}', once=True, **fleet)  # they are counted
        run.put('es_streams_few', few['per_second'])
        run.put('es_streams', out['warm_per_second'])
        run.put('es_streams_count', most + out['messages'])
        run.put('es_streams_anon', max(out['anon_mib'], broker.memory_mib()[1]))
        broker.kill()
        began = time.monotonic()
        broker.start()
        broker.create_category(ES)
        run.put('es_streams_restart', (time.monotonic() - began) * 1e3)
        run.put('es_streams_restart_anon', broker.memory_mib()[1])
