// Everything that begins with a produce request.

import { digest, errorName, nameOf, range, sample, waitFor } from './basics.mjs'

async function codecs (setting, facts) {
  await setting.withAdmin(async admin => {
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
      const topic = await setting.topic(admin, 'codec-' + codec)
      let begin = 0
      let unsupported = null
      for (const acks of [0, 1, -1]) {
        await setting.withProducer({}, async producer => {
          try {
            const told = await producer.send({ messages: range(begin, begin + 20).map(n => sample(topic, n)), acks, compression: codec })
            facts.fact(`${codec}.acks=${acks}`, (told.offsets ?? []).map(each => each.offset))
          } catch (problem) {
            if (codec !== 'zstd' || nameOf(problem) !== 'PLT_KFK_UNSUPPORTED_COMPRESSION') throw problem
            unsupported = problem
          }
        })
        if (unsupported) break
        begin += 20
        await waitFor('the end of ' + topic, 10, async () => await setting.end(admin, topic) === begin)
      }
      if (unsupported) continue // zstd needs a newer node: no fact of the broker
      const found = await setting.readFrom(topic, 0, 60)
      facts.fact(codec + '.read', [found.length, digest(found)])
    }
    const own = await setting.topic(admin, 'codec-broker', 1, { 'compression.type': 'gzip' })
    await setting.produce(own, range(0, 60))
    facts.fact('broker-side.digest', digest(await setting.readFrom(own, 0, 60)))
  })
}

async function errors (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'errors', 1, { 'max.message.bytes': '10000', 'message.timestamp.after.max.ms': '60000' })
    await setting.withProducer({ retries: 0 }, async producer => {
      const send = (label, message, where = topic) => facts.outcome(label, () => producer.send({ messages: [{ topic: where, partition: 0, ...message }], acks: -1 }))
      await send('too large', { value: Buffer.alloc(20000, 'x') })
      await send('timestamp in the future', { value: Buffer.from('x'), timestamp: BigInt(Date.now() + 3600000) })
      await send('invalid topic', { value: Buffer.from('x') }, 'bad/name')
      await send('afterwards', { value: Buffer.from('x') })
    })
    facts.fact('end', await setting.end(admin, topic))
  })
}

async function autoCreate (setting, facts) {
  const topic = setting.prefix + '-made-by-produce'
  await setting.withProducer({ autocreateTopics: true, retries: 10 }, async producer => {
    const told = await producer.send({ messages: [{ topic, value: Buffer.from('a') }], autocreateTopics: true })
    facts.fact('told', told.offsets.map(each => [each.partition, each.offset]))
  })
  await setting.withAdmin(async admin => {
    const known = (await admin.metadata({ topics: [topic] })).topics.get(topic)
    facts.fact('partitions', [known.partitionsCount, known.partitions[0].replicas.length])
  })
}

async function idempotentRetry (outer, facts) {
  const setting = outer.through()
  await setting.withAdmin(async admin => {
    for (const [label, idempotent] of [['idempotent', true], ['without idempotence', false]]) {
      const topic = await setting.topic(admin, 'retry-' + label.replaceAll(' ', '-'))
      const offsets = []
      await setting.withProducer({ idempotent, clientId: `cut.0.3.${topic}`, retries: 5 }, async producer => {
        for (const number of range(0, 50)) {
          const told = await producer.send({ messages: [sample(topic, number)], acks: -1 })
          offsets.push(told.offsets[0].offset)
        }
      })
      const end = await setting.end(admin, topic)
      facts.fact(label + '.end', end)
      facts.fact(label + '.offsets', offsets)
      facts.fact(label + '.digest', digest(await setting.readFrom(topic, 0, end)))
    }
  })
}

async function largeMessage (setting, facts) {
  const value = Buffer.alloc(10 * 1024 * 1024, '0123456789abcdef')
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'large', 1, { 'max.message.bytes': '12000000' })
    const small = await setting.topic(admin, 'not-large')
    await setting.withProducer({ retries: 0 }, async producer => {
      for (const number of [1, 2]) {
        const told = await producer.send({ messages: [{ topic, partition: 0, value }], acks: -1 })
        facts.fact('offset ' + number, told.offsets[0].offset)
      }
      await facts.outcome('above the default limit', () => producer.send({ messages: [{ topic: small, partition: 0, value }], acks: -1 }))
    })
    const found = await setting.readFrom(topic, 0, 2)
    facts.fact('equal', found.map(m => m.value.equals(value)))
  })
}

async function largeBatch (setting, facts) {
  await setting.withAdmin(async admin => {
    for (const compression of ['none', 'lz4']) {
      const topic = await setting.topic(admin, 'batch-' + compression)
      await setting.withProducer({}, async producer => {
        const messages = range(0, 10000).map(n => ({ topic, partition: 0, value: Buffer.from('record ' + n) }))
        const told = await producer.send({ messages, compression, acks: -1 })
        facts.fact(compression + '.offset', told.offsets.map(each => each.offset))
      })
      const found = await setting.readFrom(topic, 0, 10000)
      facts.fact(compression + '.read', [found.length, digest(found)])
      facts.fact(compression + '.from the middle', (await setting.readFrom(topic, 5000, 1))[0].offset)
    }
  })
}

async function manyPartitions (setting, facts) {
  const partitions = setting.gate ? 2000 : 1000
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'many', partitions)
    await setting.withProducer({}, async producer => {
      const told = await producer.send({ messages: range(0, partitions).map(n => ({ topic, partition: n, value: Buffer.from('p' + n) })), acks: -1 })
      facts.fact('sent', [told.offsets.length, told.offsets.every(each => each.offset === 0n)])
    })
    const found = await setting.read(topic, partitions, {}, 60)
    facts.fact('read', [found.length, new Set(found.map(m => m.partition)).size])
    facts.fact('values', found.every(m => m.value.toString() === 'p' + m.partition))
    await admin.deleteTopics({ topics: [topic] })
  })
}

async function transactionalId (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'transactions')
    await setting.withProducer({ transactionalId: setting.prefix + '-tx', idempotent: true, retries: 2 }, async producer => {
      let transaction = null
      facts.fact('begin', await errorName(async () => { transaction = await producer.beginTransaction() }))
      if (transaction) {
        await facts.outcome('send', () => transaction.send({ messages: [{ topic, partition: 0, value: Buffer.from('in a transaction') }], acks: -1 }))
        await facts.outcome('commit', () => transaction.commit())
        await waitFor('the marker', 10, async () => await setting.end(admin, topic) > 1)
      }
    })
    facts.fact('visible records', await setting.end(admin, topic) > 0 ? (await setting.readFrom(topic, 0, 1)).length : 0)
  })
}

async function compactPolicy (setting, facts) {
  await setting.withAdmin(async admin => {
    for (const [label, value] of [['compact', 'compact'], ['both', 'compact,delete']]) {
      await facts.outcome(label, () => admin.createTopics({ topics: [`${setting.prefix}-${label}`], partitions: 1, replicas: 1, configs: [{ name: 'cleanup.policy', value }] }))
    }
  })
}

export default {
  'produce-codecs': codecs,
  'produce-errors': errors,
  'auto-create': autoCreate,
  'idempotent-retry': idempotentRetry,
  'large-message': largeMessage,
  'large-batch': largeBatch,
  'many-partitions': manyPartitions,
  'transactional-id': transactionalId,
  'compact-policy': compactPolicy
}
