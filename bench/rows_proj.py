"""The rows of projections: into SQLite and PostgreSQL, live and rebuilt, beside their own bulk inserts of the same rows."""
import contextlib
import json
import os
import sqlite3
import subprocess
import threading
import time
import urllib.request

import harness
from rows_es import ES, es_target

TARGETS = (('sqlite', 'SQLite'), ('postgres', 'PostgreSQL'))
COLUMNS = 'id text, stream text, revision integer, n integer'
DEFINITION = '''projection: {name}
version: 1
source: {{ category: {category} }}
target: "{target}"
keep: 1s
tables:
  to_{name}: {{ columns: {{ id: text, stream: text, revision: integer, n: integer }}, key: id }}
maps:
  - type: "*"
    upsert:
      table: to_{name}
      key: {{ id: "'{{$stream}}-{{$revision}}'" }}
      set: {{ stream: $stream, revision: $revision, n: 1 }}
'''


def declare(run):
    for key, name in TARGETS:
        run.declare(f'proj_{key}_live', f'a projection into {name}, one upsert for each event of 200 B, as they come: '
                    'events/s', '20,000')
        run.declare(f'proj_{key}_load', '  what was appended meanwhile, events/s')
        run.declare(f'proj_{key}_live_cpu', '  CPU of leat us an event, with the appends', '', 2)
        if key == 'postgres':
            run.declare(f'proj_{key}_live_db_cpu', '  CPU of PostgreSQL us an event', '', 2)
        run.declare(f'proj_{key}_rebuild', f'rebuild into {name}, from the command to the switch, events/s',
                    '50,000' if key == 'sqlite' else '80 % of COPY')
        run.declare(f'proj_{key}_rebuild_cpu', '  CPU of leat us an event', '', 2)
        if key == 'postgres':
            run.declare(f'proj_{key}_rebuild_db_cpu', '  CPU of PostgreSQL us an event', '', 2)
        run.declare(f'proj_{key}_rebuild_other', '  cores that others took meanwhile (kernel threads too)', '', 2)
        run.declare(f'proj_{key}_rebuild_anon', '  anonymous memory of leat, the most, MiB', '', 1)
        run.declare(f'proj_{key}_anchor', '  the same rows: ' + (
            'transactions of 1,000 by sqlite3, rows/s' if key == 'sqlite' else 'COPY of all of them, one client, rows/s'))
        run.declare(f'proj_{key}_share', '  the rebuild as % of that', '' if key == 'sqlite' else '80', 1)
    run.declare('proj_events', '  events that were rebuilt')


def call(broker, method, path, body=None, kind='application/yaml'):
    request = urllib.request.Request(f'http://{broker.http_at}/api/v1/{path}', method=method, data=body,
                                     headers={'Content-Type': kind} if body else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def until(broker, name, done):
    """Polls the status of a projection until it is done."""
    while True:
        status = call(broker, 'GET', f'projections/{name}')
        errors = [v['error'] for v in status['versions'] if 'error' in v]
        if errors:
            raise RuntimeError(f'projection {name}: {errors[0]}')
        if done(status):
            return
        time.sleep(0.02)


def is_live(status):
    return all(v['state'] == 'live' and v['lag_events'] == 0 for v in status['versions'])


def event_count(broker):
    return sum(c['events'] for c in call(broker, 'GET', 'categories')['categories'] if c['name'] == ES)


def cpu_of(pid):
    """User and system time of a process and of its children, those that ended too, in seconds."""
    total = 0
    for other in filter(str.isdigit, os.listdir('/proc')):
        with contextlib.suppress(OSError):
            fields = open(f'/proc/{other}/stat').read().rsplit(')', 1)[1].split()
            if int(other) == pid:
                total += sum(map(int, fields[11:15]))
            elif int(fields[1]) == pid:
                total += sum(map(int, fields[11:13]))
    return total / harness.TICK


def busy():
    """CPU time of the whole machine, in seconds."""
    fields = open('/proc/stat').readline().split()
    return sum(int(fields[i]) for i in (1, 2, 3, 6, 7)) / harness.TICK


class Watch:
    """Time, CPU and memory of what is done inside of it."""

    def __init__(self, broker, database):
        self.broker, self.database = broker, database

    def __enter__(self):
        self.cpu, self.db_cpu = cpu_of(self.broker.pid), self.database and cpu_of(self.database.pid)
        self.anon, self.stopped = 0, threading.Event()
        self.other = busy() - time.process_time()
        self.watcher = threading.Thread(target=self.watch)
        self.watcher.start()
        self.began = time.monotonic()
        return self

    def watch(self):
        while not self.stopped.wait(0.05):
            self.anon = max(self.anon, self.broker.memory_mib()[1])

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.began
        self.stopped.set()
        self.watcher.join()
        self.cpu = cpu_of(self.broker.pid) - self.cpu
        self.db_cpu = self.database and cpu_of(self.database.pid) - self.db_cpu
        self.other = busy() - time.process_time() - self.other - self.cpu - (self.db_cpu or 0)


def load(run, broker, seconds):
    return run.load(broker, 'wire', 'fleet', ES, connections=4, bytes=200, seconds=seconds, warm=0, config='events=100,streams=50',
                    beside=True, **es_target(broker))


def put(run, key, what, watch, count):
    run.put(f'proj_{key}_{what}', count / watch.seconds)
    run.put(f'proj_{key}_{what}_cpu', watch.cpu / count * 1e6)
    if watch.database:
        run.put(f'proj_{key}_{what}_db_cpu', watch.db_cpu / count * 1e6)


def live(run, broker, key, database):
    """Events come as fast as eight clients append them; until the last one is in its row."""
    before = event_count(broker)
    with Watch(broker, database) as watch:
        out = load(run, broker, run.seconds(4, 1.5))
        until(broker, key, is_live)
    put(run, key, 'live', watch, event_count(broker) - before)
    run.put(f'proj_{key}_load', out['per_second'] * 100)


def rebuild(run, broker, key, database):
    count = event_count(broker)
    harness.wait_calm((broker.pid, database.pid if database else broker.pid), run.args.calm)
    with Watch(broker, database) as watch:
        call(broker, 'POST', f'projections/{key}/rebuild', b'{}', 'application/json')
        until(broker, key, lambda s: s['served_version'] == 2)
    put(run, key, 'rebuild', watch, count)
    run.put(f'proj_{key}_rebuild_other', watch.other / watch.seconds)
    run.put(f'proj_{key}_rebuild_anon', watch.anon)
    return count / watch.seconds


def sqlite_anchor(broker):
    """Rows a second that Python's sqlite3 inserts, with the options that leat has; reading them does not count."""
    rows = sqlite3.connect(os.path.join(broker.work, 'p.db')).execute('SELECT * FROM to_sqlite')
    path = os.path.join(broker.work, 'anchor.db')
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(f'PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16384; '
                     f'CREATE TABLE anchor ({COLUMNS}, PRIMARY KEY (id)) STRICT')
    took = count = 0
    while chunk := rows.fetchmany(1000):
        began = time.monotonic()
        db.execute('BEGIN')
        db.executemany('INSERT INTO anchor VALUES (?, ?, ?, ?)', chunk)
        db.execute('COMMIT')
        took += time.monotonic() - began
        count += len(chunk)
    return count / took


def postgres_anchor(database):
    """Rows a second of a COPY from a client into a table of the same columns and key."""
    path = os.path.join(database.work, 'rows')
    psql = [os.path.join(harness.POSTGRES, 'psql'), '-h', database.sockets, '-p', str(database.port), '-U', 'postgres',
            '-q', '-v', 'ON_ERROR_STOP=1']
    with open(path, 'wb') as f:
        subprocess.run(psql + ['-c', 'COPY (SELECT * FROM to_postgres) TO STDOUT (FORMAT binary)'], stdout=f, check=True)
    subprocess.run(psql + ['-c', 'CREATE TABLE anchor (LIKE to_postgres__v2 INCLUDING ALL)', '-c', 'CHECKPOINT'], check=True)
    began = time.monotonic()
    subprocess.run(psql + ['-c', f"\\copy anchor FROM '{path}' (FORMAT binary)"], check=True)
    took = time.monotonic() - began
    count = subprocess.run(psql + ['-At', '-c', 'SELECT count(*) FROM anchor'], check=True, capture_output=True, text=True)
    return int(count.stdout) / took


def one(run, broker, key, database, target):
    text = DEFINITION.format(name=key, category=ES, target=target)
    call(broker, 'PUT', f'projections/{key}', text.encode())
    until(broker, key, is_live)
    live(run, broker, key, database)
    rate = rebuild(run, broker, key, database)
    until(broker, key, is_live)
    anchor = postgres_anchor(database) if database else sqlite_anchor(broker)
    run.put(f'proj_{key}_anchor', anchor)
    run.put(f'proj_{key}_share', 100 * rate / anchor)
    call(broker, 'DELETE', f'projections/{key}')


def measure(run, peer, started):
    with started(run, peer) as broker:
        broker.create_category(ES)
        load(run, broker, run.seconds(4, 1.5))
        one(run, broker, 'sqlite', None, f'sqlite:{broker.work}/p.db')
        if harness.missing('postgres') is None:
            with started(run, 'postgres') as database:
                one(run, broker, 'postgres', database, f'postgresql://postgres@/postgres?host={database.sockets}'
                    f'&port={database.port}')
        run.put('proj_events', event_count(broker))
