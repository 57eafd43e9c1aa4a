"""The rows of bench/run. A group declares its rows, and measures them in one turn for one peer, which it starts and
removes; some have a floor beside the peers. GROUPS, at the end, names them; bench/README.md explains them.
"""
import contextlib
import time
from collections import namedtuple

import harness
import rows_es
import rows_proj

KEEP = 'segment.bytes=268435456,retention.bytes=1073741824,file.delete.delay.ms=1000'
SIZES = ((100, '100 B'), (1024, '1 KiB'))
IDEMPOTENT = 'enable.idempotence=true'


def latencies(run, prefix, title, targets):
    for (key, name), target in zip((('p50_us', 'p50'), ('p99_us', 'p99'), ('p999_us', 'p99.9')), targets):
        run.declare(f'{prefix}_{key}', f'{title}, {name} us', target)


def put_latencies(run, prefix, out, source=''):
    for key in ('p50_us', 'p99_us', 'p999_us'):
        run.put(f'{prefix}_{key}', out[source + key])


@contextlib.contextmanager
def started(run, peer):
    """A broker with nothing in it."""
    broker = run.broker(peer)
    try:
        broker.start()
        yield broker
    finally:
        broker.remove()


def speaks_kafka(broker):
    return broker.protocol == 'kafka'


# ---- What the machine allows ---------------------------------------------------------------------------------------

DISK = (('buffered_growing', 'write + fdatasync, growing file'), ('buffered_written', 'the same, written blocks'),
        ('direct_written', 'direct + dsync, written blocks'),
        ('direct_fallocated', 'direct + dsync, fallocated blocks'),
        ('direct_written_4', 'direct + dsync, written blocks, 4 at once'))
SOCKET = (('receive', 'receive'), ('sendfile', 'sendfile'), ('pread_write', 'pread + write'),
          ('mmap_write', 'write from mmap'))


def declare_disk(run):
    for key, name in DISK:
        run.declare(f'disk_{key}', f'disk, 1 MiB: {name}, GB/s', '', 2)
        run.declare(f'disk_{key}_cpu', '  CPU s a GB', '', 3)
    run.declare('ingest', 'receive + durable 1 MiB write + answer, GB/s', '', 2)
    run.declare('ingest_cpu', '  CPU s a GB', '', 3)


def declare_socket(run):
    for key, name in SOCKET:
        run.declare(f'socket_{key}', f'loopback, 1 MiB: {name}, GB/s', '', 2)
        run.declare(f'socket_{key}_cpu', '  CPU s a GB', '', 3)


def declare_request(run):
    latencies(run, 'floor_request', 'receive 1 KiB, write 4 KiB direct + dsync, answer', ('', '', ''))
    latencies(run, 'floor_write', '  the write alone', ('', '', ''))
    latencies(run, 'floor_exchange', '  the exchange alone', ('', '', ''))


def declare_client(run):
    for size, name in SIZES:
        run.declare(f'client_{size}', f'librdkafka alone (its mock broker), {name}, messages/s')
        run.declare(f'client_{size}_cpu', '  client CPU s a million', '', 2)


def declare_floor(run):
    declare_request(run)
    declare_disk(run)
    declare_socket(run)
    declare_client(run)


def floor_disk(run):
    """The best stream of durable 1 MiB writes, one at a time."""
    out = run.program('floor', 'disk', dir=run.args.dir, seconds=run.seconds(2, 1))
    for key, _ in DISK:
        run.put(f'disk_{key}', out[f'{key}_gb_s'])
        run.put(f'disk_{key}_cpu', out[f'{key}_cpu_s_gb'])
    return max(out[f'{key}_gb_s'] for key, _ in DISK if key != 'direct_written_4')


def floor_ingest(run):
    out = run.program('floor', 'ingest', dir=run.args.dir, seconds=run.seconds(2, 1))
    run.put('ingest', out['direct_written_gb_s'])
    run.put('ingest_cpu', out['direct_written_cpu_s_gb'])
    return out['direct_written_cpu_s_gb']


def floor_socket(run):
    """The CPU of the cheapest way to send."""
    out = run.program('floor', 'socket', dir=run.args.dir, seconds=run.seconds(2, 1))
    for key, _ in SOCKET:
        run.put(f'socket_{key}', out[f'{key}_gb_s'])
        run.put(f'socket_{key}_cpu', out[f'{key}_cpu_s_gb'])
    return min(out[f'{key}_cpu_s_gb'] for key in ('sendfile', 'pread_write', 'mmap_write'))


def floor_latency(run):
    out = run.program('floor', 'latency', dir=run.args.dir, seconds=run.seconds(4, 1))
    put_latencies(run, 'floor_request', out)
    put_latencies(run, 'floor_write', out, 'write_')
    put_latencies(run, 'floor_exchange', out, 'exchange_')
    return out


def floor_client(run):
    for size, _ in SIZES:
        out = run.program('rdk', 'produce', mock=1, bytes=size, seconds=run.seconds(3, 1))
        run.put(f'client_{size}', out['per_second_acked'])
        run.put(f'client_{size}_cpu', out['client_cpu_per_million'])


def floor(run):
    run.warm(1024)
    floor_latency(run)
    floor_disk(run)
    floor_ingest(run)
    floor_socket(run)
    floor_client(run)


# ---- Latency -------------------------------------------------------------------------------------------------------

def declare_inflight(run):
    declare_request(run)
    latencies(run, 'inflight', 'one 1 KiB message in flight, blocking client', ('below Redis, or 1.1 x floor',) * 3)
    run.declare('inflight_rate', '  messages/s')
    run.declare('inflight_cpu', '  broker CPU us a message', '', 1)
    latencies(run, 'inflight_rdk', 'the same through librdkafka', ('', '', ''))


def inflight_floor(run):
    out = floor_latency(run)
    put_latencies(run, 'inflight', out)
    run.put('inflight_rate', out['per_second'])
    run.put('inflight_cpu', out['cpu_us_each'])


def inflight(run, peer):
    seconds = run.seconds(8, 2)
    with started(run, peer) as broker:
        broker.create('one')
        out = run.load(broker, 'wire', 'inflight', 'one', seconds=seconds, warm=run.seconds(3, 1))
        put_latencies(run, 'inflight', out)
        run.put('inflight_rate', out['per_second'])
        run.put('inflight_cpu', out['broker_cpu_s'] / out['messages'] * 1e6)
        if speaks_kafka(broker):
            put_latencies(run, 'inflight_rdk', run.load(broker, 'rdk', 'inflight', 'one', seconds=seconds / 2))


def declare_rate(run):
    latencies(run, 'rate', '5,000/s of 1 KiB, from due time to acknowledgement', ('250', '1,000', '3,000'))
    run.declare('rate_rate', '  messages/s that were acknowledged', '5,000')
    run.declare('rate_cpu', '  broker CPU us a message', '', 1)
    latencies(run, 'rate_rdk', 'the same through librdkafka', ('', '', ''))


def rate(run, peer):
    seconds = run.seconds(15, 3)
    with started(run, peer) as broker:
        broker.create('rate')
        out = run.load(broker, 'wire', 'paced', 'rate', rate=5000, seconds=seconds, warm=run.seconds(3, 1))
        put_latencies(run, 'rate', out)
        run.put('rate_rate', out['per_second'])
        run.put('rate_cpu', out['broker_cpu_s'] / out['messages'] * 1e6)
        if speaks_kafka(broker):
            out = run.load(broker, 'rdk', 'paced', 'rate', rate=5000, seconds=seconds / 3, warm=1)
            put_latencies(run, 'rate_rdk', out)


def declare_fleet(run):
    for size, name in SIZES:
        target = '90,000, above Redis' if size == 100 else '75,000, above Redis'
        run.declare(f'fleet_{size}', f'64 connections, one {name} message in flight each, messages/s', target)
        run.declare(f'fleet_{size}_worst', '  the worst second')
        run.declare(f'fleet_{size}_cpu', '  broker CPU us a message', '', 2)
        run.declare(f'fleet_{size}_p99', '  p99 us')


def fleet(run, peer):
    with started(run, peer) as broker:
        for size, _ in SIZES:
            broker.create(f'fleet{size}')
            out = run.load(broker, 'wire', 'fleet', f'fleet{size}', bytes=size, seconds=run.seconds(8, 2),
                           warm=run.seconds(3, 1))
            run.put(f'fleet_{size}', out['per_second'])
            run.put(f'fleet_{size}_worst', out['worst_second'])
            run.put(f'fleet_{size}_cpu', out['broker_cpu_s'] / out['messages'] * 1e6)
            run.put(f'fleet_{size}_p99', out['p99_us'])


# ---- Bulk ----------------------------------------------------------------------------------------------------------

def bulk_key(size, idem):
    return f'bulk_{size}_{idem}'


def declare_bulk_rows(run, size, name, idem):
    key = bulk_key(size, idem)
    target = '' if idem else ('3,000,000' if size == 100 else '800,000')
    run.declare(key, f'durable produce, {name}{", idempotent" if idem else ""}, messages/s until drained', target)
    run.declare(f'{key}_acked', '  until the last acknowledgement')
    run.declare(f'{key}_worst', '  the worst second')
    run.declare(f'{key}_cpu', '  broker CPU s a million', '0.12' if size == 100 else '0.6', 3)
    run.declare(f'{key}_device', '  device bytes a payload byte', '1.15' if size == 1024 else '', 2)
    run.declare(f'{key}_gb', '  payload GB/s', '75 % of the disk limit' if size == 1024 else '', 3)
    run.declare(f'{key}_anon', '  anonymous memory, most, MiB', '40', 1)
    run.declare(f'{key}_turns', '  turns of the commit ring', '', 1)
    run.declare(f'{key}_client', '  client CPU s a million', '', 2)


def declare_bulk(run):
    declare_disk(run)
    declare_client(run)
    for idem in (False, True):
        for size, name in SIZES:
            declare_bulk_rows(run, size, name, idem)


def ring(broker):
    """Bytes written to the ring, and its size."""
    if broker.name != 'leat':
        return 0, 0
    return broker.metric('leat_wal_ring_written_bytes_total'), broker.metric('leat_wal_ring_bytes')


def bulk_kafka(run, broker, size, idem):
    key = bulk_key(size, idem)
    topic = f't{size}i{int(idem)}'
    broker.create(topic, config=KEEP)
    written, ring_bytes = ring(broker)
    out = run.load(broker, 'rdk', 'produce', topic, bytes=size, seconds=run.seconds(20, 3), warm=run.seconds(3, 1),
                   least=int(10 * ring_bytes) if not run.args.quick else 0, set=IDEMPOTENT if idem else None)
    run.put(key, out['per_second'])
    run.put(f'{key}_acked', out['per_second_acked'])
    run.put(f'{key}_worst', out['worst_second'])
    run.put(f'{key}_cpu', out['broker_cpu_per_million'])
    run.put(f'{key}_device', out['device_per_payload_byte'])
    run.put(f'{key}_gb', out['per_second'] * size / 1e9)
    run.put(f'{key}_anon', out['anon_mib'])
    run.put(f'{key}_client', out['client_cpu_per_million'])
    if ring_bytes:
        run.put(f'{key}_turns', (ring(broker)[0] - written) / ring_bytes)


def bulk_other(run, broker, size):
    """Redis and NATS have no batches: one connection, 500 messages in flight."""
    key = bulk_key(size, False)
    broker.create(f't{size}')
    out = run.load(broker, 'wire', 'fleet', f't{size}', bytes=size, seconds=run.seconds(10, 3), connections=1, depth=500)
    run.put(f'{key}_acked', out['per_second'])
    run.put(f'{key}_worst', out['worst_second'])
    run.put(f'{key}_cpu', out['broker_cpu_s'] / out['messages'] * 1e6)
    run.put(f'{key}_device', out['device_bytes'] / (out['messages'] * size))
    run.put(f'{key}_gb', out['per_second'] * size / 1e9)
    run.put(f'{key}_anon', out['anon_mib'])
    run.put(f'{key}_client', out['client_cpu_s'] / out['messages'] * 1e6)


def bulk_floor(run):
    run.warm()
    limit = floor_disk(run)
    cpu = floor_ingest(run)
    for size, _ in SIZES:
        run.put(f'{bulk_key(size, False)}_gb', limit)
        run.put(f'{bulk_key(size, False)}_cpu', cpu * size / 1e3)
    floor_client(run)


def bulk(run, peer):
    with started(run, peer) as broker:
        run.warm()
        for size, _ in SIZES:
            if not speaks_kafka(broker):
                bulk_other(run, broker, size)
                continue
            bulk_kafka(run, broker, size, False)
            if not run.args.quick:
                bulk_kafka(run, broker, size, True)


# ---- Consume -------------------------------------------------------------------------------------------------------

def fill(run, broker, topic, size, total_bytes, **options):
    """Writes about so many bytes; returns what the program says."""
    return run.load(broker, 'rdk', 'produce', topic, bytes=size, seconds=0.1, warm=0, least=int(total_bytes), **options)


def declare_consume(run):
    declare_socket(run)
    for size, name in SIZES:
        run.declare(f'consume_{size}', f'consume from the start, {name}, messages/s', 'as Kafka')
        run.declare(f'consume_{size}_cpu', '  broker CPU s a million', '1.2 x floor', 3)


def consume_floor(run):
    run.warm(2048)
    cheapest = floor_socket(run)
    for size, _ in SIZES:
        run.put(f'consume_{size}_cpu', cheapest * size / 1e3)


def consume(run, peer):
    with started(run, peer) as broker:
        for size, _ in SIZES:
            topic = f'c{size}'
            broker.create(topic)
            count = fill(run, broker, topic, size, run.seconds(2e9, 3e8))['sent']
            for counted in (False, True):  # the first warms the JVM
                out = run.load(broker, 'rdk', 'consume', topic, count=int(count), seconds=60)
                if counted:
                    run.put(f'consume_{size}', out['per_second'])
                    run.put(f'consume_{size}_cpu', out['broker_cpu_per_million'])


def declare_tail(run):
    run.declare('tail', 'a consumer at the tail, 50,000/s of 1 KiB: broker CPU s a million consumed', '0.30', 3)
    run.declare('tail_alone', '  produce alone: broker CPU s a million', '', 3)
    run.declare('tail_rate', '  messages/s that were acknowledged beside the consumer', '50,000')
    run.declare('tail_share', '  share of them that the consumer got', '1', 3)


def tail_load(run, broker, seconds, beside=False):
    """No folder: it does not wait until the device is quiet."""
    return run.load(broker, 'rdk', 'produce', 'tail', bytes=1024, rate=50000, seconds=seconds, warm=1, dir=None,
                    beside=beside)


def tail_both(run, broker, seconds):
    """The load beside a consumer, which ends when nothing came for 2 s; the consumer."""
    consumer = harness.Program('rdk', 'consume', **broker.target('tail'), seconds=600, **{'from': 'end'})
    try:
        time.sleep(1)  # it must know where the end is
        both = tail_load(run, broker, seconds, beside=True)
        return both, consumer.result()
    finally:
        consumer.end()


def tail(run, peer):
    """What a consumer at the end adds to the broker's CPU: the same load with it, and without it before and after."""
    key, seconds = 'broker_cpu_per_million', run.seconds(10, 3)
    with started(run, peer) as broker:
        broker.create('tail')
        tail_both(run, broker, seconds / 2)  # warms the JVM
        before = tail_load(run, broker, seconds)
        both, got = tail_both(run, broker, seconds)
        after = tail_load(run, broker, seconds)
        alone = (before[key] + after[key]) / 2
        run.put('tail', both[key] - alone)
        run.put('tail_alone', alone)
        run.put('tail_rate', both['per_second_acked'])
        run.put('tail_share', got['messages'] / both['sent'])


# ---- Start ---------------------------------------------------------------------------------------------------------

PARTITIONS = ((1000, '100'), (10000, '1,000'))


def declare_start(run):
    run.declare('start_0', 'start to the first answered request, empty, ms', '15', 1)
    for count, target in PARTITIONS:
        run.declare(f'start_{count}', f'  {count:,} partitions, ms', target, 1)


def start(run, peer):
    """What starts fast is started several times."""
    times = 1 if peer.startswith('kafka') else run.seconds(5, 3)
    for _ in range(times):
        broker = run.broker(peer)
        try:
            run.put('start_0', broker.start())
        finally:
            broker.remove()
    if peer in ('redis', 'nats'):
        return
    with started(run, peer) as broker:
        before = 0
        for count, _ in PARTITIONS[:1] if run.args.quick and peer != 'leat' else PARTITIONS:
            broker.create(f'p{count}', partitions=count - before)  # topics add up
            for _ in range(times):
                broker.stop()
                run.put(f'start_{count}', broker.start(f'p{count}', count - before - 1))
            before = count


def declare_restart(run):
    run.declare('restart_1m', 'start after kill -9 with 1 million messages of 1 KiB, ms', '30', 0)
    run.declare('restart_1m_count', '  messages it had (Redis, NATS: what 15 s brought)')
    run.declare('restart_single', '  written one by one by 64 connections, ms', '30', 0)
    run.declare('restart_single_count', '  messages it had')
    run.declare('restart_10g', 'start after kill -9 with 10 GB, ms', '1,000', 0)


def restart(run, peer):
    """Killed as soon as the load has ended. What was acknowledged must be there, and be told by the first answer."""
    with started(run, peer) as broker:
        if not speaks_kafka(broker):
            broker.create('kept')
            out = run.load(broker, 'wire', 'fleet', 'kept', seconds=run.seconds(15, 3), connections=1, depth=500)
            restart_once(run, broker, 'restart_1m', None, 0)
            run.put('restart_1m_count', out['messages'])
            return
        if peer == 'leat':
            broker.create('single')
            out = run.load(broker, 'wire', 'fleet', 'single', seconds=run.seconds(12, 3), warm=0, dir=None)
            restart_once(run, broker, 'restart_single', 'single', out['messages'])
            run.put('restart_single_count', out['messages'])
        broker.create('kept')
        count = fill(run, broker, 'kept', 1024, run.seconds(1.024e9, 2e8), dir=None)['sent']
        restart_once(run, broker, 'restart_1m', 'kept', count)
        run.put('restart_1m_count', count)
        if not run.args.quick:
            count += fill(run, broker, 'kept', 1024, 9e9, dir=None)['sent']
            restart_once(run, broker, 'restart_10g', 'kept', count)


def restart_once(run, broker, key, topic, count):
    broker.kill()
    took = broker.start(topic)
    if topic is not None and broker.end < count:
        raise RuntimeError(f'{broker.name} has lost messages: {count} acknowledged, the partition ends at {broker.end}')
    run.put(key, took)


# ---- Memory --------------------------------------------------------------------------------------------------------

def declare_memory(run):
    run.declare('memory_idle', 'resident memory idle, MiB', '12', 1)
    run.declare('memory_loaded', '  under bulk, then 64 connections of 1 KiB, anonymous, the most, MiB', '40', 1)
    run.declare('memory_mapped', '  of mapped files beside it (page cache), the most, MiB', '', 1)
    run.declare('memory_after', '  5 s after the load, all, MiB', '', 1)
    run.declare('memory_connection', '  an idle connection, KiB', '4', 2)


def memory(run, peer):
    count = min(run.seconds(10000, 2000), harness.allow_descriptors(25000) - 200)
    with started(run, peer) as broker:
        time.sleep(1)
        before = broker.memory_mib()
        run.put('memory_idle', before[0])
        idle = []
        try:
            for _ in range(count):
                idle.append(broker.connect_idle())
            time.sleep(0.5)
            run.put('memory_connection', (broker.memory_mib()[0] - before[0]) * 1024 / count)
        finally:
            for s in idle:
                s.close()
        broker.create('m')
        outs = []
        if speaks_kafka(broker):
            outs.append(fill(run, broker, 'm', 1024, run.seconds(4e9, 3e8), dir=None))
        outs.append(run.load(broker, 'wire', 'fleet', 'm', seconds=run.seconds(5, 2), warm=1))
        run.put('memory_loaded', max(out['anon_mib'] for out in outs))
        run.put('memory_mapped', max(out['mapped_mib'] for out in outs))
        time.sleep(5)
        run.put('memory_after', broker.memory_mib()[0])


# ---- As work grows -------------------------------------------------------------------------------------------------

def declare_growth(run):
    for count, target in ((1, ''), (100, '0.7 x one'), (10000, '0.5 x one')):
        run.declare(f'growth_{count}', f'requests of a 16 KiB batch, {count:,} partitions, batches/s', target)
        run.declare(f'growth_{count}_cpu', '  broker CPU us a batch', '1.5 x one' if count == 10000 else '', 1)
    run.declare('growth_first', '  before that, with the first batch of each partition, batches/s')
    run.declare('growth_fetch', 'fetch from the disk, 1 KiB, messages/s')
    run.declare('growth_fetch_read', '  bytes read from the device a payload byte', '', 2)
    run.declare('growth_fetch_cpu', '  broker CPU s a million', '', 3)
    run.declare('growth_fetch_both', '  messages/s while 1,000/s are produced')
    run.declare('growth_ack', '1,000/s of 1 KiB, from due time, p99 us')
    run.declare('growth_ack_both', '  while another consumer fetches from the disk')
    for count in (100, 1000):
        run.declare(f'growth_commit_{count}', f'{count:,} groups that commit every second, p99 us')
        run.declare(f'growth_commit_{count}_cpu', '  broker CPU us a commit', '', 1)


def growth_partitions(run, broker):
    counts = (1, 100, 10000) if broker.name == 'leat' or not run.args.quick else (1, 100)
    for count in counts:
        topic = f'g{count}'
        run.warm()
        broker.create(topic, partitions=count, config='retention.bytes=268435456,segment.bytes=67108864')
        out = run.load(broker, 'wire', 'fleet', topic, bytes=16384, connections=4, depth=16, partitions=count,
                       seconds=run.seconds(10, 3), warm=run.seconds(3, 1), **{'warm-least': count})
        run.put(f'growth_{count}', out['per_second'])
        if count == 10000:
            run.put('growth_first', out['warm_per_second'])
        run.put(f'growth_{count}_cpu', out['broker_cpu_s'] / out['messages'] * 1e6)


def growth_cold(run, broker):
    broker.create('cold')
    broker.create('live')
    count = fill(run, broker, 'cold', 1024, run.seconds(2e9, 3e8), dir=None)['sent']  # forget_files() flushes
    paced = dict(rate=1000, seconds=run.seconds(6, 2), warm=1)
    alone = run.load(broker, 'wire', 'paced', 'live', **paced)
    harness.forget_files(broker.work)
    fetch = run.load(broker, 'rdk', 'consume', 'cold', count=count, seconds=60)
    harness.forget_files(broker.work)
    load = harness.Program('wire', 'paced', **broker.target('live'), **paced)
    try:
        time.sleep(1)
        both = run.load(broker, 'rdk', 'consume', 'cold', count=count, seconds=60)
        with_fetch = load.result()
    finally:
        load.end()
    run.put('growth_fetch', fetch['per_second'])
    run.put('growth_fetch_read', fetch['device_read_bytes'] / fetch['payload_bytes'])
    run.put('growth_fetch_cpu', fetch['broker_cpu_per_million'])
    run.put('growth_fetch_both', both['per_second'])
    run.put('growth_ack', alone['p99_us'])
    run.put('growth_ack_both', with_fetch['p99_us'])


def growth_groups(run, broker):
    broker.create('done')
    for count in (100, 1000):
        out = run.load(broker, 'wire', 'commits', 'done', groups=count, rate=count, connections=10,
                       seconds=run.seconds(8, 2), warm=1)
        run.put(f'growth_commit_{count}', out['p99_us'])
        run.put(f'growth_commit_{count}_cpu', out['broker_cpu_s'] / out['messages'] * 1e6)


def growth(run, peer):
    with started(run, peer) as broker:
        growth_groups(run, broker)
        growth_cold(run, broker)
        growth_partitions(run, broker)


# seconds: of a turn for each column, in full and with --quick, on a machine of 2 cores; only to plan with.
Group = namedtuple('Group', 'declare measure floor peers seconds')
KAFKA = ('leat', 'kafka-flush', 'kafka')
ALL = (*KAFKA, 'redis', 'nats')


def seconds(leat, kafka, other=(0, 0), beneath=(0, 0)):
    return {'leat': leat, 'kafka-flush': kafka, 'kafka': kafka, 'redis': other, 'nats': other, 'floor': beneath}


def es_group(declare, measure, peers, leat, other=(0, 0), floor=None):
    return Group(declare, lambda run, peer: measure(run, peer, started), floor, ('leat', *peers),
                 {'leat': leat, 'floor': (8, 4), **dict.fromkeys(peers, other)})


GROUPS = {
    'floor': Group(declare_floor, None, floor, (), seconds((0, 0), (0, 0), beneath=(45, 20))),
    'inflight': Group(declare_inflight, inflight, inflight_floor, ALL, seconds((19, 8), (26, 14), (13, 5), (13, 4))),
    'rate': Group(declare_rate, rate, None, ALL, seconds((27, 10), (40, 18), (20, 6))),
    'fleet': Group(declare_fleet, fleet, None, ALL, seconds((25, 8), (32, 15), (25, 8))),
    'bulk': Group(declare_bulk, bulk, bulk_floor, ALL, seconds((120, 15), (140, 25), (30, 10), (40, 20))),
    'consume': Group(declare_consume, consume, consume_floor, KAFKA, seconds((30, 12), (60, 20), beneath=(14, 8))),
    'tail': Group(declare_tail, tail, None, KAFKA, seconds((48, 23), (56, 30))),
    'start': Group(declare_start, start, None, ALL, seconds((5, 4), (120, 25), (3, 2))),
    'restart': Group(declare_restart, restart, None, ALL, seconds((38, 10), (110, 25), (25, 8))),
    'memory': Group(declare_memory, memory, None, ALL, seconds((22, 14), (45, 25), (20, 12))),
    'growth': Group(declare_growth, growth, None, KAFKA, seconds((130, 48), (260, 90))),
    'es_inflight': es_group(rows_es.declare_inflight, rows_es.inflight, ('postgres',), (14, 6), (20, 10),
                            rows_es.inflight_floor),
    'es_fleet': es_group(rows_es.declare_fleet, rows_es.fleet, ('redis', 'postgres'), (14, 6), (20, 10), rows_es.fleet_floor),
    'es_batch': es_group(rows_es.declare_batch, rows_es.batch, ('postgres',), (14, 6), (20, 10), rows_es.batch_floor),
    'es_read': es_group(rows_es.declare_read, rows_es.read, ('postgres',), (70, 25), (90, 25)),
    'es_streams': es_group(rows_es.declare_streams, rows_es.streams, (), (400, 60)),
    'proj': es_group(rows_proj.declare, rows_proj.measure, (), (50, 25)),
}
