"""What all measurements of bench/run share: brokers to start and stop, programs to run, a calm machine to wait for.

Everything is on 127.0.0.1 on ports that the system gave, with data under one folder. Every broker that is started is
stopped by the object that started it; end_all() ends what is left, clear_stale() what a killed run has left.
"""
import contextlib
import glob
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get('LEAT_BUILD', os.path.join(ROOT, 'build'))
DEPS = os.environ.get('LEAT_DEPS_DIR', os.path.join(ROOT, 'build', 'deps'))
LEAT = os.environ.get('LEAT_BIN', os.path.join(BUILD, 'release', 'leat'))
PROGRAMS = os.path.join(BUILD, 'release', 'bench', 'load')
KAFKA = os.path.join(DEPS, 'kafka', 'libs')
REDIS = shutil.which('redis-server') or shutil.which('redis-check-rdb')  # one program with two names
NATS = os.path.join(DEPS, 'nats', 'nats-server')
POSTGRES = max(glob.glob('/usr/lib/postgresql/*/bin'), default='', key=lambda p: int(p.split('/')[4]))
PEERS = ('leat', 'kafka-flush', 'kafka', 'redis', 'nats', 'postgres')
TICK = os.sysconf('SC_CLK_TCK')
FOREIGN_MOST = 0.12


class Late(Exception):
    """The step has taken too long (see limit). No OSError: what polls must not take it for `not yet`."""


@contextlib.contextmanager
def limit(seconds):
    """Raises Late in what it surrounds."""
    def late(*_):
        raise Late()
    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


started = []  # processes: brokers and programs


def popen(*args, **more):
    process = subprocess.Popen(*args, **more)
    started.append(process)
    return process


def end_all():
    """Kills what runs still."""
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
    started.clear()


def clear_stale(folder):
    """Removes the folders of runs that are gone (killed), and ends the brokers that work in them."""
    for name in os.listdir(folder):
        owner = re.fullmatch(r'run-(\d+)', name)
        if not owner or os.path.isdir(f'/proc/{owner.group(1)}'):
            continue
        gone = os.path.join(folder, name)
        for pid in filter(str.isdigit, os.listdir('/proc')):
            with contextlib.suppress(OSError):
                if os.readlink(f'/proc/{pid}/cwd').startswith(gone + '/'):
                    os.kill(int(pid), signal.SIGKILL)
        shutil.rmtree(gone, ignore_errors=True)
        say(f'removed what a killed run left in {gone}')


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Program:
    """A program of bench/load that runs. Options that are None are left out."""

    def __init__(self, name, mode, /, **options):
        self.what = f'{name} {mode}'
        argv = [os.path.join(PROGRAMS, name), mode]
        for key, value in options.items():
            if value is not None:
                argv += ['--' + key, str(value)]
        self.process = popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self):
        """Waits for its end (the step has a limit) and returns its JSON."""
        out, err = self.process.communicate()
        if self.process.returncode != 0:
            raise RuntimeError(f'{self.what}: {err.strip() or self.process.returncode}')
        return json.loads(out.splitlines()[-1])

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def program(name, mode, /, **options):
    return Program(name, mode, **options).result()


# ---- A calm machine ------------------------------------------------------------------------------------------------

def cpu_by_process():
    total = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            fields = open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()
        except OSError:
            continue
        if pid != '2' and fields[1] != '2':  # the kernel's own threads are nobody's
            total[pid] = sum(map(int, fields[11:15])) / TICK
    return total


def foreign_cores(ours=(), seconds=1.0):
    """How much of a core processes other than we and `ours` take."""
    skip = {str(p) for p in ours} | {str(os.getpid())}
    before, began = cpu_by_process(), time.monotonic()
    time.sleep(seconds)
    after, took = cpu_by_process(), time.monotonic() - began
    # Sums, because what a process has used moves to its parent when it ends.
    more = sum(after[p] for p in after if p not in skip) - sum(before[p] for p in before if p not in skip)
    return max(0, more) / took


def wait_calm(ours=(), limit_s=10):
    until = time.monotonic() + limit_s
    while True:
        load = foreign_cores(ours, 0.5)
        if load <= FOREIGN_MOST or time.monotonic() > until:
            return load


def allow_descriptors(wanted):
    """So many connections are possible from now on, here and in brokers that are started (fewer if it is not allowed)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return wanted


def forget_files(folder):
    """What is cached of the files below `folder` goes out of memory."""
    os.sync()
    for at, _, names in os.walk(folder):
        for name in names:
            try:
                fd = os.open(os.path.join(at, name), os.O_RDONLY)
            except OSError:
                continue
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


# ---- Brokers -------------------------------------------------------------------------------------------------------

def kafka_string(text):
    return struct.pack('>h', len(text)) + text.encode()


def kafka_request(api, version, body):
    body = struct.pack('>hhi', api, version, 1) + kafka_string('bench') + body
    return struct.pack('>i', len(body)) + body


def metadata_request():
    """Metadata v4 of no topic."""
    return kafka_request(3, 4, struct.pack('>i', 0) + b'\0')


def end_request(topic, first, count):
    """ListOffsets v1: the ends of partitions."""
    partitions = b''.join(struct.pack('>iq', i, -1) for i in range(first, first + count))
    return kafka_request(2, 1, struct.pack('>ii', -1, 1) + kafka_string(topic) + struct.pack('>i', count) + partitions)


def end_answers(answer, topic, count):
    """The ends of an answer to that; None if one of them is an error."""
    at = 4 + 4 + 4 + 2 + len(topic) + 4  # size, correlation, topics, name, partitions
    each = struct.Struct('>ihqq')        # index, error, timestamp, offset
    if len(answer) != at + count * each.size:
        return None
    found = list(each.iter_unpack(answer[at:]))
    return None if any(error != 0 for _, error, _, _ in found) else [end for *_, end in found]


def kafka_whole(answer):
    return len(answer) >= 4 and len(answer) >= 4 + struct.unpack('>i', answer[:4])[0]


class Broker:
    """A broker that runs. `protocol` is what the load programs call it."""

    protocol = 'kafka'
    executable = None  # if it is not the first word of the command

    def __init__(self, name, work):
        self.name, self.work, self.port = name, work, free_port()
        self.process, self.end = None, None
        os.makedirs(work, exist_ok=True)
        self.prepare()

    def prepare(self):
        """What is done once, before the first start."""

    def user(self):
        """Options of Popen, if it does not run as we do."""
        return {}

    def command(self):
        raise NotImplementedError

    @property
    def at(self):
        return f'127.0.0.1:{self.port}'

    @property
    def pid(self):
        return self.process.pid

    def start(self, topic=None, partition=0):
        """Starts it, and returns the milliseconds until it answered a request: where a partition of `topic` ends, if
        that is named (self.end)."""
        argv = self.command()
        with open(os.path.join(self.work, 'log'), 'ab') as log:
            began = time.monotonic()
            self.process = popen(argv, executable=self.executable, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                 cwd=self.work, **self.user())
        while not self.answers(topic, partition):
            if self.process.poll() is not None:
                with open(os.path.join(self.work, 'log'), errors='replace') as log:
                    raise RuntimeError(f'{self.name} did not start: {" / ".join(log.read().splitlines()[-3:])}')
            time.sleep(0.0002)
        return (time.monotonic() - began) * 1e3

    # What a client says on a connection that it keeps open, and the least bytes of an answer.
    hello = struct.pack('>ihhi', 15, 18, 0, 1) + kafka_string('bench')  # ApiVersions

    def connect_idle(self):
        s = socket.create_connection(('127.0.0.1', self.port), timeout=30)
        s.sendall(self.hello)
        s.recv(65536)
        return s

    def ask(self, request, enough):
        """Sends `request`, reads until enough(answer); None if it is not there yet."""
        try:
            with socket.create_connection(('127.0.0.1', self.port), timeout=60) as s:
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                s.sendall(request)
                answer = b''
                while not enough(answer):
                    more = s.recv(1 << 20)
                    if not more:
                        return None
                    answer += more
                return answer
        except OSError:
            return None

    def answers(self, topic, first=0, count=1):
        if topic is None:
            return self.ask(metadata_request(), kafka_whole) is not None
        answer = self.ask(end_request(topic, first, count), kafka_whole)
        ends = answer and end_answers(answer, topic, count)
        if ends:
            self.end = ends[0]
        return bool(ends)

    def memory_mib(self):
        """Resident memory: all of it, and what is not files (RssAnon)."""
        status = dict(re.findall(r'^(\w+):\s+(\d+) kB', open(f'/proc/{self.pid}/status').read(), re.M))
        return int(status['VmRSS']) / 1024, int(status['RssAnon']) / 1024

    def target(self, name, **more):
        """Options of a load program that is to write to `name` here."""
        return dict(at=self.at, name=name, pid=self.pid, dir=self.work, **more)

    def create(self, name, partitions=1, config=''):
        program('wire', 'create', proto=self.protocol, at=self.at, name=name, partitions=partitions,
                config=config)
        if self.protocol == 'kafka':
            while not self.answers(name, 0, partitions):  # Apache Kafka says that it is made before it takes records
                time.sleep(0.05)
        time.sleep(0.3)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def remove(self):
        self.stop()
        shutil.rmtree(self.work, ignore_errors=True)


class Leat(Broker):
    options = []  # --leat-set of bench/run

    def prepare(self):
        self.http = free_port()

    def command(self):
        sets = [word for option in self.options for word in ('--set', option)]
        return [LEAT, 'serve', '--data', os.path.join(self.work, 'data'), '--kafka', self.at, '--http',
                f'127.0.0.1:{self.http}', *sets]

    @property
    def http_at(self):
        return f'127.0.0.1:{self.http}'

    def create_category(self, name):
        """Appends the first event of a category; returns when it is answered, which is when the event store is ready."""
        data = b'{"type":"Begun","data":{}}'
        request = (f'POST /api/v1/streams/{name}-{time.monotonic_ns()}/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: '
                   f'application/json\r\nContent-Length: {len(data) + 13}\r\nConnection: close\r\n\r\n').encode()
        while True:
            with socket.create_connection(('127.0.0.1', self.http), timeout=60) as s:
                s.sendall(request + b'{"events":[' + data + b']}')
                status = b''.join(iter(lambda: s.recv(65536), b'')).split(b' ', 2)[1]
            if status == b'201':
                return
            if status != b'503':
                raise RuntimeError(f'an append was answered with {status.decode()}')
            time.sleep(0.001)

    def metric(self, name):
        """The sum over all series of a metric."""
        with socket.create_connection(('127.0.0.1', self.http), timeout=10) as s:
            s.sendall(b'GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
            text = b''.join(iter(lambda: s.recv(65536), b'')).decode()
        found = re.findall(rf'^{name}(?:{{.*}})? ([0-9.e+-]+)\r?$', text, re.M)
        if not found:
            raise RuntimeError(f'leat has no metric {name}')
        return sum(map(float, found))


class Kafka(Broker):
    """Apache Kafka with the options of its start script. kafka-flush flushes before every acknowledgement."""

    def prepare(self):
        self.conf, controller = os.path.join(self.work, 'kafka.properties'), free_port()
        lines = ['process.roles=broker,controller', 'node.id=1', f'controller.quorum.voters=1@127.0.0.1:{controller}',
                 f'listeners=PLAINTEXT://{self.at},CONTROLLER://127.0.0.1:{controller}',
                 'controller.listener.names=CONTROLLER', f'log.dirs={self.work}/logs', 'num.partitions=1',
                 'offsets.topic.replication.factor=1', 'transaction.state.log.replication.factor=1',
                 'transaction.state.log.min.isr=1', 'group.initial.rebalance.delay.ms=0',
                 'log.retention.check.interval.ms=1000']
        if self.name == 'kafka-flush':
            lines.append('log.flush.interval.messages=1')
        with open(self.conf, 'w') as f:
            f.write('\n'.join(lines) + '\n')
        tool = [self.java(), '-cp', f'{KAFKA}/*', 'kafka.tools.StorageTool']
        uid = subprocess.run(tool + ['random-uuid'], capture_output=True, text=True, check=True).stdout.split()[-1]
        subprocess.run(tool + ['format', '-t', uid, '-c', self.conf], capture_output=True, check=True)

    @staticmethod
    def java():
        return os.environ.get('KAFKA_JAVA', 'java')

    def command(self):
        return [self.java(), '-Xms1g', '-Xmx1g', '-server', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20',
                '-XX:InitiatingHeapOccupancyPercent=35', '-XX:+ExplicitGCInvokesConcurrent',
                '-Djava.awt.headless=true', '-cp', f'{KAFKA}/*', 'kafka.Kafka', self.conf]


class Redis(Broker):
    protocol = 'redis'
    hello = b'PING\r\n'
    executable = REDIS

    def command(self):
        return ['redis-server', '--port', str(self.port), '--bind', '127.0.0.1', '--dir', self.work, '--appendonly',
                'yes', '--appendfsync', 'always', '--save', '', '--maxclients', '60000']

    def answers(self, topic, first=0, count=1):
        answer = self.ask(b'PING\r\n', lambda a: a.endswith(b'\n'))
        return answer is not None and answer.startswith(b'+PONG')


class Nats(Broker):
    """JetStream that flushes before every acknowledgement."""

    protocol = 'nats'
    hello = b'CONNECT {"verbose":false,"lang":"c","version":"1"}\r\nPING\r\n'

    def prepare(self):
        self.conf = os.path.join(self.work, 'nats.conf')
        with open(self.conf, 'w') as f:
            f.write(f'listen: "{self.at}"\nmax_connections: 65536\n'
                    f'jetstream {{ store_dir: "{self.work}/js", max_mem: 1G, max_file: 60G, sync_interval: always }}\n')

    def command(self):
        return [NATS, '-c', self.conf]

    def answers(self, topic, first=0, count=1):
        question = self.hello + b'SUB _INBOX.b 1\r\nPUB $JS.API.INFO _INBOX.b 0\r\n\r\n'
        return self.ask(question, lambda a: b'account_info_response' in a) is not None


class Postgres(Broker):
    """PostgreSQL as it is shipped: every commit is flushed. It does not run as root; its socket is in its folder."""

    protocol = 'pg'

    def user(self):
        return {'user': 'postgres', 'group': 'postgres', 'extra_groups': []} if os.geteuid() == 0 else {}

    def prepare(self):
        self.sockets = tempfile.mkdtemp(prefix='leat-pg-')  # the name of a socket is short
        if os.geteuid() == 0:
            shutil.chown(self.work, 'postgres', 'postgres')
            shutil.chown(self.sockets, 'postgres', 'postgres')
        subprocess.run([os.path.join(POSTGRES, 'initdb'), '-D', os.path.join(self.work, 'data'), '-A', 'trust', '-U',
                        'postgres'], capture_output=True, check=True, cwd=self.work, **self.user())

    def command(self):
        return [os.path.join(POSTGRES, 'postgres'), '-D', os.path.join(self.work, 'data'), '-k', self.sockets, '-p',
                str(self.port), '-c', 'listen_addresses=', '-c', 'fsync=on', '-c', 'synchronous_commit=on', '-c',
                'max_connections=300']

    @property
    def at(self):
        return os.path.join(self.sockets, f'.s.PGSQL.{self.port}')

    def target(self, name, **more):
        """Without a pid: each connection has a process of its own."""
        return dict(at=self.at, name=name, dir=self.work, **more)

    def answers(self, topic, first=0, count=1):
        return self.query('SELECT 1')

    def query(self, text):
        done = subprocess.run([os.path.join(POSTGRES, 'psql'), '-h', self.sockets, '-p', str(self.port), '-U', 'postgres',
                               '-q', '-c', text], capture_output=True, cwd=self.work)
        return done.returncode == 0

    def settle(self, table):
        """What it would do some time later is done now."""
        self.query(f'VACUUM ANALYZE {table}')
        self.query('CHECKPOINT')

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # connections are ended, not waited for
            self.process.wait(60)

    def remove(self):
        super().remove()
        shutil.rmtree(self.sockets, ignore_errors=True)


def missing(peer):
    """Why a peer cannot run here; None if it can."""
    if peer == 'leat':
        return None if os.access(LEAT, os.X_OK) else f'{LEAT} is not there: make release'
    if peer.startswith('kafka'):
        return None if os.path.isdir(KAFKA) else 'no Apache Kafka: tools/deps.sh kafka'
    if peer == 'redis':
        return None if REDIS else 'no Redis: tools/deps.sh bench'
    if peer == 'postgres':
        return None if POSTGRES else 'no PostgreSQL: tools/deps.sh bench'
    return None if os.access(NATS, os.X_OK) else 'no nats-server: tools/deps.sh bench (needs Go)'


def make(peer, work):
    kind = {'leat': Leat, 'redis': Redis, 'nats': Nats, 'postgres': Postgres}.get(peer, Kafka)
    return kind(peer, work)


def digest(path):
    with open(path, 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest()


def commit():
    """Of this tree; '' without git."""
    try:
        done = subprocess.run(['git', '-C', ROOT, 'describe', '--always', '--dirty', '--abbrev=7', '--exclude=*'],
                              capture_output=True, text=True)
    except OSError:
        return ''
    return done.stdout.strip()


def version(peer):
    def first(argv, executable=None):
        done = subprocess.run(argv, executable=executable, capture_output=True, text=True)
        return done.stdout.strip().splitlines()[0]
    if peer == 'leat':
        return first([LEAT, 'version'])
    if peer.startswith('kafka'):
        jars = [re.match(r'kafka_[\d.]+-([\d.]+)\.jar', n) for n in os.listdir(KAFKA)]
        return f'Apache Kafka {next(m.group(1) for m in jars if m)}'
    if peer == 'redis':
        return 'Redis ' + re.search(r'v=(\S+)', first(['redis-server', '--version'], REDIS)).group(1)
    if peer == 'postgres':
        return first([os.path.join(POSTGRES, 'postgres'), '--version'])
    return first([NATS, '--version'])


def machine():
    cpu = next((line.split(':')[1].strip() for line in open('/proc/cpuinfo') if line.startswith('model name')), 'unknown')
    kib = int(re.search(r'MemTotal:\s+(\d+)', open('/proc/meminfo').read()).group(1))
    return f'{os.cpu_count()} cores ({cpu}), {kib / (1 << 20):.0f} GiB, kernel {os.uname().release}'


def say(text):
    print(f'{time.strftime("%H:%M:%S")} {text}', file=sys.stderr, flush=True)
