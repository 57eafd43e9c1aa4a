"""The rows of bench/run. Each group is a function that makes one turn: it declares its rows, starts each peer that has
them, measures, and stops it. GROUPS, at the end, names them; bench/README.md explains them.
"""
import harness

KEEP = 'segment.bytes=268435456,retention.bytes=1073741824,file.delete.delay.ms=1000'
SIZES = ((100, '100 B'), (1024, '1 KiB'))
IDEMPOTENT = 'enable.idempotence=true'


def latencies(run, prefix, title, targets):
    for (key, name), target in zip((('p50_us', 'p50'), ('p99_us', 'p99'), ('p999_us', 'p99.9')), targets):
        run.declare(f'{prefix}_{key}', f'{title}, {name} us', target)


def put_latencies(run, prefix, column, out, source=''):
    for key in ('p50_us', 'p99_us', 'p999_us'):
        run.put(f'{prefix}_{key}', column, out[source + key])


def each(run, wanted):
    """The peers of this run that a group is for, one after the other, started fresh and removed."""
    for peer in run.peers:
        if peer in wanted:
            broker = run.broker(peer)
            try:
                broker.start()
                yield broker
            finally:
                broker.remove()


def speaks_kafka(broker):
    return broker.protocol == 'kafka'


# ---- What the machine allows ---------------------------------------------------------------------------------------

def floor_disk(run):
    """Once in each turn of a group that is read beside it. Returns the best stream of durable 1 MiB writes."""
    for key, name in (('buffered_growing', 'write + fdatasync, growing file'), ('buffered_written', 'the same, written blocks'),
                      ('direct_written', 'direct + dsync, written blocks'),
                      ('direct_fallocated', 'direct + dsync, fallocated blocks'),
                      ('direct_written_4', 'direct + dsync, written blocks, 4 at once')):
        run.declare(f'disk_{key}', f'disk, 1 MiB: {name}, GB/s', '', 2)
        run.declare(f'disk_{key}_cpu', '  CPU s a GB', '', 3)
    out = run.program('floor', 'floor', 'disk', dir=run.args.dir, seconds=run.seconds(2, 1))
    for key in ('buffered_growing', 'buffered_written', 'direct_written', 'direct_fallocated', 'direct_written_4'):
        run.put(f'disk_{key}', 'floor', out[f'{key}_gb_s'])
        run.put(f'disk_{key}_cpu', 'floor', out[f'{key}_cpu_s_gb'])
    return max(out[f'{key}_gb_s'] for key in ('buffered_growing', 'buffered_written', 'direct_written', 'direct_fallocated'))


def floor_ingest(run):
    run.declare('ingest', 'receive + durable 1 MiB write + answer, GB/s', '', 2)
    run.declare('ingest_cpu', '  CPU s a GB', '', 3)
    out = run.program('floor', 'floor', 'ingest', dir=run.args.dir, seconds=run.seconds(2, 1))
    run.put('ingest', 'floor', out['direct_written_gb_s'])
    run.put('ingest_cpu', 'floor', out['direct_written_cpu_s_gb'])
    return out['direct_written_cpu_s_gb']


def floor_socket(run):
    for key, name in (('receive', 'receive'), ('sendfile', 'sendfile'), ('pread_write', 'pread + write'),
                      ('mmap_write', 'write from mmap')):
        run.declare(f'socket_{key}', f'loopback, 1 MiB: {name}, GB/s', '', 2)
        run.declare(f'socket_{key}_cpu', '  CPU s a GB', '', 3)
    out = run.program('floor', 'floor', 'socket', dir=run.args.dir, seconds=run.seconds(2, 1))
    for key in ('receive', 'sendfile', 'pread_write', 'mmap_write'):
        run.put(f'socket_{key}', 'floor', out[f'{key}_gb_s'])
        run.put(f'socket_{key}_cpu', 'floor', out[f'{key}_cpu_s_gb'])
    return min(out[f'{key}_cpu_s_gb'] for key in ('sendfile', 'pread_write', 'mmap_write'))


def floor_latency(run):
    latencies(run, 'floor_request', 'receive 1 KiB, write 4 KiB direct + dsync, answer', ('', '', ''))
    latencies(run, 'floor_write', '  the write alone', ('', '', ''))
    latencies(run, 'floor_exchange', '  the exchange alone', ('', '', ''))
    out = run.program('floor', 'floor', 'latency', dir=run.args.dir, seconds=run.seconds(4, 1))
    put_latencies(run, 'floor_request', 'floor', out)
    put_latencies(run, 'floor_write', 'floor', out, 'write_')
    put_latencies(run, 'floor_exchange', 'floor', out, 'exchange_')
    return out


def floor_client(run):
    for size, name in SIZES:
        run.declare(f'client_{size}', f'librdkafka alone (its mock broker), {name}, messages/s')
        run.declare(f'client_{size}_cpu', '  client CPU s a million', '', 2)
        out = run.program('floor', 'rdk', 'produce', mock=1, bytes=size, seconds=run.seconds(3, 1))
        run.put(f'client_{size}', 'floor', out['per_second_acked'])
        run.put(f'client_{size}_cpu', 'floor', out['client_cpu_per_million'])


def floor(run):
    run.warm(1024)
    floor_latency(run)
    floor_disk(run)
    floor_ingest(run)
    floor_socket(run)
    floor_client(run)


# ---- Latency -------------------------------------------------------------------------------------------------------

def inflight(run):
    latencies(run, 'inflight', 'one 1 KiB message in flight, blocking client', ('below Redis, or 1.1 x floor',) * 3)
    run.declare('inflight_rate', '  messages/s')
    run.declare('inflight_cpu', '  broker CPU us a message', '', 1)
    latencies(run, 'inflight_rdk', 'the same through librdkafka', ('', '', ''))
    out = floor_latency(run)
    put_latencies(run, 'inflight', 'floor', out)
    run.put('inflight_rate', 'floor', out['per_second'])
    run.put('inflight_cpu', 'floor', out['cpu_us_each'])
    seconds = run.seconds(8, 2)
    for broker in each(run, harness.PEERS):
        broker.create('one')
        out = run.load(broker, 'wire', 'inflight', 'one', seconds=seconds, warm=run.seconds(3, 1))
        put_latencies(run, 'inflight', broker.name, out)
        run.put('inflight_rate', broker.name, out['per_second'])
        run.put('inflight_cpu', broker.name, out['broker_cpu_s'] / out['messages'] * 1e6)
        if speaks_kafka(broker):
            out = run.load(broker, 'rdk', 'inflight', 'one', seconds=seconds / 2)
            put_latencies(run, 'inflight_rdk', broker.name, out)


def rate(run):
    latencies(run, 'rate', '5,000/s of 1 KiB, from due time to acknowledgement', ('250', '1,000', '3,000'))
    run.declare('rate_cpu', '  broker CPU us a message', '', 1)
    latencies(run, 'rate_rdk', 'the same through librdkafka', ('', '', ''))
    seconds = run.seconds(15, 3)
    for broker in each(run, harness.PEERS):
        broker.create('rate')
        out = run.load(broker, 'wire', 'paced', 'rate', rate=5000, seconds=seconds, warm=run.seconds(3, 1))
        put_latencies(run, 'rate', broker.name, out)
        run.put('rate_cpu', broker.name, out['broker_cpu_s'] / out['messages'] * 1e6)
        if speaks_kafka(broker):
            out = run.load(broker, 'rdk', 'paced', 'rate', rate=5000, seconds=seconds / 3, warm=1)
            put_latencies(run, 'rate_rdk', broker.name, out)


def fleet(run):
    for size, name in SIZES:
        target = '90,000, above Redis' if size == 100 else '75,000, above Redis'
        run.declare(f'fleet_{size}', f'64 connections, one {name} message in flight each, messages/s', target)
        run.declare(f'fleet_{size}_worst', '  the worst second')
        run.declare(f'fleet_{size}_cpu', '  broker CPU us a message', '', 2)
        run.declare(f'fleet_{size}_p99', '  p99 us')
    for broker in each(run, harness.PEERS):
        for size, _ in SIZES:
            broker.create(f'fleet{size}')
            out = run.load(broker, 'wire', 'fleet', f'fleet{size}', bytes=size, seconds=run.seconds(8, 2),
                           warm=run.seconds(3, 1))
            run.put(f'fleet_{size}', broker.name, out['per_second'])
            run.put(f'fleet_{size}_worst', broker.name, out['worst_second'])
            run.put(f'fleet_{size}_cpu', broker.name, out['broker_cpu_s'] / out['messages'] * 1e6)
            run.put(f'fleet_{size}_p99', broker.name, out['p99_us'])


# ---- Bulk ----------------------------------------------------------------------------------------------------------

def declare_bulk(run, size, name, idem):
    key = f'bulk_{size}_{idem}'
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
    return key


def ring(broker):
    """Bytes written to the ring, and its size."""
    if broker.name != 'leat':
        return 0, 0
    return broker.metric('leat_wal_ring_written_bytes_total'), broker.metric('leat_wal_ring_bytes')


def bulk_kafka(run, broker, size, name, idem):
    key = declare_bulk(run, size, name, idem)
    topic = f't{size}i{int(idem)}'
    broker.create(topic, config=KEEP)
    written, ring_bytes = ring(broker)
    out = run.load(broker, 'rdk', 'produce', topic, bytes=size, seconds=run.seconds(20, 3), warm=run.seconds(3, 1),
                   least=int(10 * ring_bytes) if not run.args.quick else 0, set=IDEMPOTENT if idem else None)
    run.put(key, broker.name, out['per_second'])
    run.put(f'{key}_acked', broker.name, out['per_second_acked'])
    run.put(f'{key}_worst', broker.name, out['worst_second'])
    run.put(f'{key}_cpu', broker.name, out['broker_cpu_per_million'])
    run.put(f'{key}_device', broker.name, out['device_per_payload_byte'])
    run.put(f'{key}_gb', broker.name, out['per_second'] * size / 1e9)
    run.put(f'{key}_anon', broker.name, out['anon_mib'])
    run.put(f'{key}_client', broker.name, out['client_cpu_per_million'])
    if ring_bytes:
        run.put(f'{key}_turns', broker.name, (ring(broker)[0] - written) / ring_bytes)


def bulk_other(run, broker, size, name):
    """Redis and NATS have no batches: one connection, 500 messages in flight."""
    key = declare_bulk(run, size, name, False)
    broker.create(f't{size}')
    out = run.load(broker, 'wire', 'fleet', f't{size}', bytes=size, seconds=run.seconds(10, 3), connections=1, depth=500)
    run.put(f'{key}_acked', broker.name, out['per_second'])
    run.put(f'{key}_worst', broker.name, out['worst_second'])
    run.put(f'{key}_cpu', broker.name, out['broker_cpu_s'] / out['messages'] * 1e6)
    run.put(f'{key}_device', broker.name, out['device_bytes'] / (out['messages'] * size))
    run.put(f'{key}_gb', broker.name, out['per_second'] * size / 1e9)
    run.put(f'{key}_anon', broker.name, out['anon_mib'])
    run.put(f'{key}_client', broker.name, out['client_cpu_s'] / out['messages'] * 1e6)


def bulk(run):
    run.warm()
    limit = floor_disk(run)
    cpu = floor_ingest(run)
    for size, name in SIZES:
        key = declare_bulk(run, size, name, False)
        run.put(f'{key}_gb', 'floor', limit)
        run.put(f'{key}_cpu', 'floor', cpu * size / 1e3)
    floor_client(run)
    for broker in each(run, harness.PEERS):
        run.warm()
        for size, name in SIZES:
            if speaks_kafka(broker):
                bulk_kafka(run, broker, size, name, False)
                bulk_kafka(run, broker, size, name, True)
            else:
                bulk_other(run, broker, size, name)


GROUPS = {'floor': floor, 'inflight': inflight, 'rate': rate, 'fleet': fleet, 'bulk': bulk}
