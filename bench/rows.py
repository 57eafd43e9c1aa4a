"""The rows of bench/run. Each group is a function that makes one turn: it declares its rows, starts each peer that has
them, measures, and stops it. GROUPS, at the end, names them; bench/README.md explains them.
"""
import time

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
    for key, name in (('buffered_growing', 'write + fdatasync, growing file'),
                      ('buffered_written', 'the same, written blocks'),
                      ('direct_written', 'direct + dsync, written blocks'),
                      ('direct_fallocated', 'direct + dsync, fallocated blocks'),
                      ('direct_written_4', 'direct + dsync, written blocks, 4 at once')):
        run.declare(f'disk_{key}', f'disk, 1 MiB: {name}, GB/s', '', 2)
        run.declare(f'disk_{key}_cpu', '  CPU s a GB', '', 3)
    out = run.program('floor', 'floor', 'disk', dir=run.args.dir, seconds=run.seconds(2, 1))
    for key in ('buffered_growing', 'buffered_written', 'direct_written', 'direct_fallocated', 'direct_written_4'):
        run.put(f'disk_{key}', 'floor', out[f'{key}_gb_s'])
        run.put(f'disk_{key}_cpu', 'floor', out[f'{key}_cpu_s_gb'])
    one_at_a_time = ('buffered_growing', 'buffered_written', 'direct_written', 'direct_fallocated')
    return max(out[f'{key}_gb_s'] for key in one_at_a_time)


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
    run.declare('rate_rate', '  messages/s that were acknowledged', '5,000')
    run.declare('rate_cpu', '  broker CPU us a message', '', 1)
    latencies(run, 'rate_rdk', 'the same through librdkafka', ('', '', ''))
    seconds = run.seconds(15, 3)
    for broker in each(run, harness.PEERS):
        broker.create('rate')
        out = run.load(broker, 'wire', 'paced', 'rate', rate=5000, seconds=seconds, warm=run.seconds(3, 1))
        put_latencies(run, 'rate', broker.name, out)
        run.put('rate_rate', broker.name, out['per_second'])
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
    for size, name in SIZES:
        declare_bulk(run, size, name, False)
    for size, name in SIZES:
        declare_bulk(run, size, name, True)
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
                if not run.args.quick:
                    bulk_kafka(run, broker, size, name, True)
            else:
                bulk_other(run, broker, size, name)


# ---- Consume -------------------------------------------------------------------------------------------------------

def fill(run, broker, topic, size, total_bytes):
    """Writes about so many bytes; returns the count of messages."""
    out = run.load(broker, 'rdk', 'produce', topic, bytes=size, seconds=0.1, warm=0, least=int(total_bytes))
    return out['messages']


def consume(run):
    for size, name in SIZES:
        run.declare(f'consume_{size}', f'consume from the start, {name}, messages/s', 'as Kafka')
        run.declare(f'consume_{size}_cpu', '  broker CPU s a million', '1.2 x floor', 3)
    run.warm(2048)
    cheapest = floor_socket(run)
    for size, _ in SIZES:
        run.put(f'consume_{size}_cpu', 'floor', cheapest * size / 1e3)
    for broker in each(run, ('leat', 'kafka-flush', 'kafka')):
        for size, _ in SIZES:
            topic = f'c{size}'
            broker.create(topic)
            count = fill(run, broker, topic, size, run.seconds(2e9, 3e8))
            for counted in (False, True):  # the first warms the JVM
                out = run.load(broker, 'rdk', 'consume', topic, count=int(count), seconds=60)
                if counted:
                    run.put(f'consume_{size}', broker.name, out['per_second'])
                    run.put(f'consume_{size}_cpu', broker.name, out['broker_cpu_per_million'])


def tail(run):
    """What a consumer at the end adds to the broker's CPU: the same produce load without it and with it, twice each and in
    an order that a broker which still warms up does not gain from."""
    run.declare('tail', 'a consumer at the tail, 50,000/s of 1 KiB: broker CPU s a million consumed', '0.30', 3)
    run.declare('tail_alone', '  produce alone: broker CPU s a million', '', 3)
    run.declare('tail_share', '  of the messages the consumer got', '', 3)
    seconds = run.seconds(10, 3)
    for broker in each(run, ('leat', 'kafka-flush', 'kafka')):
        broker.create('tail')
        load = dict(bytes=1024, rate=50000, seconds=seconds, warm=2, dir=None)  # no folder: no wait until it is drained
        run.load(broker, 'rdk', 'produce', 'tail', **load)  # the first warms the JVM
        alone, both, shares = [], [], []
        for consuming in (False, True, True, False):
            if not consuming:
                alone.append(run.load(broker, 'rdk', 'produce', 'tail', **load)['broker_cpu_per_million'])
                continue
            consumer = harness.Program('rdk', 'consume', **broker.target('tail'), seconds=seconds + 5, **{'from': 'end'})
            try:
                time.sleep(1)  # it is connected, and waits at the end
                # Not by run.load: it would take the consumer for somebody else, and repeat the load when that has ended.
                out = harness.program('rdk', 'produce', **{**broker.target('tail'), **load})
                got = consumer.result()
            finally:
                consumer.end()
            run.note(broker.name, 'rdk produce', out, ours=got['client_cpu_s'] / got['seconds'])
            both.append(out['broker_cpu_per_million'])
            # Of the load and of what warmed it up before.
            shares.append(got['messages'] / (out['messages'] * (1 + load['warm'] / seconds)))
        alone = sum(alone) / 2
        run.put('tail', broker.name, sum(both) / 2 - alone)
        run.put('tail_alone', broker.name, alone)
        run.put('tail_share', broker.name, min(shares))


# ---- Start ---------------------------------------------------------------------------------------------------------

def start(run):
    run.declare('start_0', 'start to the first answered request, empty, ms', '15', 1)
    counts = ((1000, '100'),) if run.args.quick else ((1000, '100'), (10000, '1,000'))
    for count, target in counts:
        run.declare(f'start_{count}', f'  {count:,} partitions, ms', target, 1)
    for peer in run.peers:
        broker = run.broker(peer)
        try:
            run.put('start_0', peer, broker.start())
            if not speaks_kafka(broker):
                continue
            before = 0
            for count, _ in counts:
                broker.create(f'p{count}', partitions=count - before)  # topics add up
                before = count
                time.sleep(1)
                broker.stop()
                run.put(f'start_{count}', peer, broker.start(f'p{count}'))
        finally:
            broker.remove()


def restart(run):
    """Killed at the end of a load; the acknowledged messages must be there (leat) and the first request answered."""
    run.declare('restart_1m', 'start after kill -9 with 1 million messages of 1 KiB, ms', '30', 0)
    run.declare('restart_1m_count', '  messages it had (Redis, NATS: what a while brought)')
    if not run.args.quick:
        run.declare('restart_10g', 'start after kill -9 with 10 GB, ms', '1,000', 0)
    for broker in each(run, harness.PEERS):
        broker.create('kept')
        if not speaks_kafka(broker):
            out = run.load(broker, 'wire', 'fleet', 'kept', seconds=run.seconds(20, 3), connections=1, depth=500)
            restart_once(run, broker, 'restart_1m', None)
            run.put('restart_1m_count', broker.name, out['messages'])
            continue
        count = fill(run, broker, 'kept', 1024, run.seconds(1.024e9, 2e8))
        restart_once(run, broker, 'restart_1m', count)
        run.put('restart_1m_count', broker.name, count)
        if not run.args.quick:
            count += fill(run, broker, 'kept', 1024, 9e9)
            restart_once(run, broker, 'restart_10g', count)


def restart_once(run, broker, key, count):
    broker.kill()
    run.put(key, broker.name, broker.start('kept' if count else None))
    if count and broker.name in ('leat', 'kafka-flush'):
        end = harness.program('wire', 'end', at=broker.at, name='kept')['end']
        if end < count:
            raise RuntimeError(f'{broker.name} has lost messages: {count:.0f} acknowledged, the partition ends at {end}')


# ---- Memory --------------------------------------------------------------------------------------------------------

def memory(run):
    run.declare('memory_idle', 'resident memory idle, MiB', '12', 1)
    run.declare('memory_loaded', '  after bulk and 64 connections of 1 KiB, anonymous, MiB', '40', 1)
    run.declare('memory_loaded_all', '  the same with mapped files, MiB', '', 1)
    run.declare('memory_connection', '  an idle connection, KiB', '4', 2)
    count = min(run.seconds(10000, 2000), harness.allow_descriptors(25000) - 200)
    for broker in each(run, harness.PEERS):
        time.sleep(1)
        before = broker.memory_mib()
        run.put('memory_idle', broker.name, before[0])
        idle = []
        try:
            for _ in range(count):
                idle.append(broker.connect_idle())
            time.sleep(0.5)
            run.put('memory_connection', broker.name, (broker.memory_mib()[0] - before[0]) * 1024 / count)
        finally:
            for s in idle:
                s.close()
        broker.create('m')
        if speaks_kafka(broker):
            fill(run, broker, 'm', 1024, run.seconds(2e9, 2e8))
        run.load(broker, 'wire', 'fleet', 'm', seconds=run.seconds(5, 2), warm=1)
        every, anonymous = broker.memory_mib()
        run.put('memory_loaded', broker.name, anonymous)
        run.put('memory_loaded_all', broker.name, every)


# ---- As work grows -------------------------------------------------------------------------------------------------

def growth_partitions(run, broker):
    counts = (1, 100, 10000) if broker.name == 'leat' or not run.args.quick else (1, 100)
    for count in counts:
        topic = f'g{count}'
        broker.create(topic, partitions=count, config='retention.bytes=268435456,segment.bytes=67108864')
        out = run.load(broker, 'wire', 'fleet', topic, bytes=16384, connections=4, depth=16, partitions=count,
                       seconds=run.seconds(10, 2), warm=run.seconds(3, 1))
        run.put(f'growth_{count}', broker.name, out['per_second'])
        run.put(f'growth_{count}_cpu', broker.name, out['broker_cpu_s'] / out['messages'] * 1e6)


def growth_cold(run, broker):
    broker.create('cold')
    broker.create('live')
    count = int(fill(run, broker, 'cold', 1024, run.seconds(2e9, 3e8)))
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
    run.put('growth_fetch', broker.name, fetch['per_second'])
    run.put('growth_fetch_both', broker.name, both['per_second'])
    run.put('growth_ack', broker.name, alone['p99_us'])
    run.put('growth_ack_both', broker.name, with_fetch['p99_us'])


def growth_groups(run, broker):
    broker.create('done')
    for count in (100, 1000):
        out = run.load(broker, 'wire', 'commits', 'done', groups=count, rate=count, connections=10,
                       seconds=run.seconds(8, 2), warm=1)
        run.put(f'growth_commit_{count}', broker.name, out['p99_us'])
        run.put(f'growth_commit_{count}_cpu', broker.name, out['broker_cpu_s'] / out['messages'] * 1e6)


def growth(run):
    for count, target in ((1, ''), (100, '0.7 x one'), (10000, '0.5 x one')):
        run.declare(f'growth_{count}', f'requests of a 16 KiB batch, {count:,} partitions, batches/s', target)
        run.declare(f'growth_{count}_cpu', '  broker CPU us a batch', '1.5 x one' if count == 10000 else '', 1)
    run.declare('growth_fetch', 'fetch from the disk, 1 KiB, messages/s')
    run.declare('growth_fetch_both', '  while 1,000/s are produced')
    run.declare('growth_ack', '1,000/s of 1 KiB, from due time, p99 us')
    run.declare('growth_ack_both', '  while another consumer fetches from the disk')
    for count in (100, 1000):
        run.declare(f'growth_commit_{count}', f'{count:,} groups that commit every second, p99 us')
        run.declare(f'growth_commit_{count}_cpu', '  broker CPU us a commit', '', 1)
    for broker in each(run, ('leat', 'kafka-flush', 'kafka')):
        growth_groups(run, broker)
        growth_cold(run, broker)
        growth_partitions(run, broker)


GROUPS = {'floor': floor, 'inflight': inflight, 'rate': rate, 'fleet': fleet, 'bulk': bulk, 'consume': consume,
          'tail': tail, 'start': start, 'restart': restart, 'memory': memory, 'growth': growth}
