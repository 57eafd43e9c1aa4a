'use strict'
// Everything that begins with a produce request.

const crypto = require('crypto')
const { CompressionTypes, digest, errorName, range, sample, waitFor } = require('./basics')

async function codecs (setting, facts) {
  await setting.withAdmin(async admin => {
    const known = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4' }
    for (const [codec, name] of Object.entries(known)) {
      const topic = await setting.topic(admin, 'codec-' + codec)
      let begin = 0
      for (const acks of [0, 1, -1]) {
        await setting.withProducer({}, async producer => {
          const messages = range(begin, begin + 20).map(n => sample(n))
          const told = await producer.send({ topic, messages, acks, compression: CompressionTypes[name] })
          facts.fact(`${codec}.acks=${acks}`, told.map(each => [each.errorCode, each.baseOffset]))
          begin += 20
          await waitFor('the end of ' + topic, 10, async () => await setting.end(admin, topic) === begin)
        })
      }
      const found = await setting.read(topic, 0, 60)
      facts.fact(codec + '.count', found.length)
      facts.fact(codec + '.digest', digest(found))
    }
    facts.fact('zstd', 'n/a: kafkajs has no zstd codec')
    const own = await setting.topic(admin, 'codec-broker', 1, { 'compression.type': 'gzip' })
    await setting.produce(own, range(0, 60))
    facts.fact('broker-side.digest', digest(await setting.read(own, 0, 60)))
  })
}

async function errors (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'errors', 1, { 'max.message.bytes': '10000', 'message.timestamp.after.max.ms': '60000' })
    await setting.withProducer({ retry: { retries: 2 } }, async producer => {
      const send = (label, message, where = topic) => facts.outcome(label, () => producer.send({ topic: where, messages: [message] }))
      await send('too large', { value: crypto.randomBytes(20000) })
      await send('no such partition', { value: 'x', partition: 7 })
      await send('timestamp in the future', { value: 'x', timestamp: String(Date.now() + 3600000) })
      await send('invalid topic', { value: 'x' }, 'bad/name')
      await send('afterwards', { value: 'x' })
    })
    facts.fact('end', await setting.end(admin, topic))
    const append = await setting.topic(admin, 'log-append', 1, { 'message.timestamp.type': 'LogAppendTime' })
    await setting.withProducer({}, async producer => {
      const told = await producer.send({ topic: append, messages: [{ value: 'x', timestamp: '1000' }] })
      facts.fact('log append time told', Number(told[0].logAppendTime) > 1000)
    })
  })
}

async function autoCreate (setting, facts) {
  const topic = setting.prefix + '-made-by-produce'
  await setting.withProducer({ allowAutoTopicCreation: true }, async producer => {
    const told = await producer.send({ topic, messages: [{ value: 'a' }] })
    facts.fact('offset', told[0].baseOffset)
  })
  await setting.withAdmin(async admin => {
    const made = (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]
    facts.fact('partitions', [made.partitions.length, made.partitions[0].replicas.length])
  })
}

async function idempotentRetry (setting, facts) {
  const through = { brokers: [setting.cut] }
  await setting.withAdmin(async admin => {
    for (const [label, idempotent] of [['one at a time', true], ['without idempotence', false]]) {
      const topic = await setting.topic(admin, 'retry-' + label.replaceAll(' ', '-'))
      const clientId = `cut.0.3.${setting.prefix}-${label.replaceAll(' ', '-')}`
      const offsets = []
      await setting.withProducer({ idempotent, maxInFlightRequests: 1 }, async producer => {
        for (const number of range(0, 50)) {
          const told = await producer.send({ topic, messages: [sample(number)], acks: -1 })
          offsets.push(Number(told[0].baseOffset))
        }
      }, { ...through, clientId })
      const end = await setting.end(admin, topic)
      facts.fact(label + '.end', end)
      facts.fact(label + '.offsets', offsets)
      facts.fact(label + '.digest', digest(await setting.read(topic, 0, end, {}, 20, through)))
    }
  }, through)
}

async function largeMessage (setting, facts) {
  const value = Buffer.alloc(10 * 1024 * 1024, '0123456789abcdef')
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'large', 1, { 'max.message.bytes': '12000000' })
    const small = await setting.topic(admin, 'not-large')
    await setting.withProducer({ retry: { retries: 1 } }, async producer => {
      const send = where => producer.send({ topic: where, messages: [{ value }] })
      facts.fact('offset', (await send(topic))[0].baseOffset)
      facts.fact('offset 2', (await send(topic))[0].baseOffset)
      await facts.outcome('above the default limit', () => send(small))
    })
    const found = await setting.read(topic, 0, 2)
    facts.fact('equal', found.map(m => m.value.equals(value)))
  })
}

async function largeBatch (setting, facts) {
  await setting.withAdmin(async admin => {
    for (const [codec, compression] of [['none', CompressionTypes.None], ['lz4', CompressionTypes.LZ4]]) {
      const topic = await setting.topic(admin, 'batch-' + codec)
      await setting.withProducer({}, async producer => {
        const told = await producer.send({ topic, compression, messages: range(0, 10000).map(n => ({ value: 'record ' + n })) })
        facts.fact(codec + '.offset', told.map(each => [each.errorCode, each.baseOffset]))
      })
      const found = await setting.read(topic, 0, 10000)
      facts.fact(codec + '.count', found.length)
      facts.fact(codec + '.digest', digest(found))
      facts.fact(codec + '.from the middle', (await setting.read(topic, 5000, 5000))[0].offset)
    }
  })
}

async function manyPartitions (setting, facts) {
  const partitions = setting.gate ? 2000 : 1000
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'many', partitions)
    await setting.withProducer({}, async producer => {
      const told = await producer.send({ topic, messages: range(0, partitions).map(n => ({ value: 'p' + n, partition: n })) })
      facts.fact('sent', [told.length, told.every(each => each.errorCode === 0 && each.baseOffset === '0')])
    })
    const found = await setting.read(topic, null, partitions, {}, 60)
    facts.fact('read', [found.length, new Set(found.map(m => m.partition)).size])
    facts.fact('values', found.every(m => m.value.toString() === 'p' + m.partition))
    await admin.deleteTopics({ topics: [topic] })
  })
}

async function transactionalId (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'transactions')
    const producer = setting.kafka({ retry: { retries: 3 } }).producer({ transactionalId: setting.prefix + '-tx', maxInFlightRequests: 1, idempotent: true })
    const begun = await errorName(() => producer.connect())
    let transaction = null
    facts.fact('init', begun)
    await facts.outcome('begin', async () => { transaction = await producer.transaction() })
    if (transaction) {
      await facts.outcome('send', () => transaction.send({ topic, messages: [{ value: 'in a transaction' }] }))
      await facts.outcome('commit', () => transaction.commit())
      await waitFor('the marker', 10, async () => await setting.end(admin, topic) > 1)
    }
    facts.fact('visible records', await setting.end(admin, topic) > 0 ? (await setting.read(topic, 0, 1)).length : 0)
    await producer.disconnect()
  })
}

async function compactPolicy (setting, facts) {
  await setting.withAdmin(async admin => {
    for (const [label, value] of [['compact', 'compact'], ['both', 'compact,delete']]) {
      const made = { topic: `${setting.prefix}-${label}`, configEntries: [{ name: 'cleanup.policy', value }] }
      await facts.outcome(label, () => admin.createTopics({ topics: [made], waitForLeaders: false }))
    }
  })
}

module.exports = {
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
