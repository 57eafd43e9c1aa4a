'use strict'
// The event store met by a plain client: see harness/events.py for what each scenario shows.

const { range } = require('./basics')

const ending = async (setting, admin, topic) =>
  (await admin.fetchTopicOffsets(topic)).reduce((sum, each) => sum + Number(each.high), 0)

function event (stream, expected, more = {}) {
  const { id, type = 'OrderPlaced', ...rest } = more
  const headers = { ce_type: type }
  if (expected !== undefined) headers['leat-expected-version'] = String(expected)
  if (id !== undefined) headers.ce_id = id
  return { key: stream, value: '{"n":1}', headers, ...rest }
}

// "ok", or [name, text].
async function told (work) {
  try {
    await work()
    return 'ok'
  } catch (problem) {
    console.error(problem)
    const cause = (problem.errors || [])[0] || problem.cause || problem
    return [cause.type || cause.name, cause.message]
  }
}

const append = (producer, topic, stream, expected, more) =>
  told(() => producer.send({ topic, messages: [event(stream, expected, more)] }))

async function appending (setting, facts) {
  const topic = `es.${setting.prefix}one`
  const stream = `${setting.prefix}one-append`
  await setting.withAdmin(admin => setting.withProducer({ retry: { retries: 2 } }, async producer => {
    const before = await ending(setting, admin, topic)
    for (const [name, expected] of [['no_stream', 'no_stream'], ['revision', 0], ['exists', 'exists'], ['any', 'any'],
      ['no_stream again', 'no_stream'], ['wrong revision', 7], ['afterwards', 3]]) {
      facts.fact(name, await append(producer, topic, stream, expected))
    }
    facts.fact('exists, of none', await append(producer, topic, stream + '-none', 'exists'))
    facts.fact('count', await ending(setting, admin, topic) - before)
  }))
}

async function batch (setting, facts) {
  const topic = `es.${setting.prefix}one`
  const a = `${setting.prefix}one-batch`
  await setting.withAdmin(admin => setting.withProducer({ retry: { retries: 2 } }, async producer => {
    const before = await ending(setting, admin, topic)
    const messages = [event(a, 'no_stream'), event(a), event(a + '-b', 9), event(a + '-c', 'exists')]
    facts.fact('send', await told(() => producer.send({ topic, messages })))
    facts.fact('count', await ending(setting, admin, topic) - before)
    facts.fact('afterwards', await append(producer, topic, a, 'no_stream'))
  }))
}

async function refused (setting, facts) {
  const topic = 'es.' + setting.prefix
  const stream = setting.prefix + '-refused'
  await setting.withAdmin(admin => setting.withProducer({ retry: { retries: 2 } }, async producer => {
    facts.fact('no expectation', await append(producer, topic, stream))
    facts.fact('bad expectation', await append(producer, topic, stream, '-1'))
    facts.fact('other category', await append(producer, topic, 'other-1', 'any'))
    const each = []
    for (const partition of range(0, 4)) each.push(await append(producer, topic, stream, 'exists', { partition }))
    facts.fact('partitions 0 to 3', each)
    facts.fact('count', await ending(setting, admin, topic))
    facts.fact('afterwards', await append(producer, topic, stream, 'no_stream'))
  }))
}

async function idempotent (setting, facts) {
  const topic = `es.${setting.prefix}one`
  const stream = `${setting.prefix}one-idempotent`
  const options = { idempotent: true, maxInFlightRequests: 1, retry: { retries: 4 } }
  await setting.withAdmin(async admin => {
    await setting.withProducer(options, async producer => {
      const before = await ending(setting, admin, topic)
      facts.fact('first', await append(producer, topic, stream, 'no_stream'))
      facts.fact('refused', await append(producer, topic, stream, 'no_stream'))
      facts.fact('next', await append(producer, topic, stream, 0, { id: 'known' }))
      facts.fact('repeated', await append(producer, topic, stream, 0, { id: 'known' }))
      facts.fact('after it', await append(producer, topic, stream, 1))
      facts.fact('count', await ending(setting, admin, topic) - before)
    })
    await setting.withProducer(options, async producer => {
      const before = await ending(setting, admin, topic)
      const all = await Promise.all(range(0, 10).map(n => append(producer, topic, `${stream}-${n}`, n === 3 ? 5 : 'no_stream')))
      facts.fact('ten in flight, the fourth refused', all)
      facts.fact('stored is what was told', await ending(setting, admin, topic) - before === all.filter(each => each === 'ok').length)
    })
  })
}

async function retry (setting, facts) {
  const topic = `es.${setting.prefix}one`
  const cases = [['with id', false, 0, 'e2'], ['without id', false, 0], ['any without id', false, 'any'], ['idempotent, without id', true, 0]]
  const through = { brokers: [setting.cut] }
  await setting.withAdmin(async admin => {
    for (const [number, [name, idempotent, expected, id]] of cases.entries()) {
      const stream = `${setting.prefix}one-retry-${number}`
      const before = await ending(setting, admin, topic)
      await setting.withProducer({ idempotent, maxInFlightRequests: 1 }, async producer => {
        await append(producer, topic, stream, 'no_stream')
        facts.fact(name, await append(producer, topic, stream, expected, { id }))
      }, { ...through, clientId: `cut.0.2.${setting.prefix}-${number}` })
      facts.fact(name + '.count', await ending(setting, admin, topic) - before)
    }
  }, through)
}

async function partitioner (setting, facts) {
  const topic = 'es.' + setting.prefix
  await setting.withAdmin(admin => setting.withProducer({ retry: { retries: 2 } }, async producer => {
    const before = await ending(setting, admin, topic)
    let good = 0
    for (const number of range(0, 20)) {
      good += await append(producer, topic, `${setting.prefix}-part-${number}`, 'no_stream') === 'ok'
    }
    facts.fact('by default', good)
    facts.fact('as advised', good)
    facts.fact('count', await ending(setting, admin, topic) - before)
  }))
}

async function reading (setting, facts) {
  const topic = `es.${setting.prefix}one`
  const stream = setting.prefix + 'one-read'
  await setting.withAdmin(async admin => {
    const begin = await ending(setting, admin, topic)
    await setting.withProducer({}, async producer => {
      for (const [number, type] of ['OrderPlaced', 'OrderPaid', 'OrderShipped'].entries()) {
        await append(producer, topic, stream, number ? number - 1 : 'no_stream', { type, id: 'e' + number })
      }
    })
    const found = await setting.read(topic, begin, 3)
    facts.fact('keys', found.map(each => each.key.toString()))
    facts.fact('revisions', found.map(each => Number(each.headers['leat-revision'].toString())))
    facts.fact('ids', found.map(each => each.headers.ce_id.toString()))
    facts.fact('types', found.map(each => each.headers.ce_type.toString()))
    facts.fact('headers', Object.keys(found[0].headers))
  })
}

async function administration (setting, facts) {
  const topic = `es.${setting.prefix}one`
  const quick = { retry: { retries: 1 } }
  await setting.withAdmin(async admin => {
    const alter = (name, value) => told(() => admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic, configEntries: [{ name, value }] }] }))
    facts.fact('create topic', await told(() => admin.createTopics({ topics: [{ topic: `es.${setting.prefix}two` }] })))
    facts.fact('delete topic', await told(() => admin.deleteTopics({ topics: [topic] })))
    facts.fact('add partitions', await told(() => admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] })))
    facts.fact('delete records', await told(() => admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '1' }] })))
    facts.fact('retention.ms', await alter('retention.ms', '1000'))
    facts.fact('retention.bytes', await alter('retention.bytes', '1000000'))
    facts.fact('cleanup.policy', await alter('cleanup.policy', 'compact'))
    facts.fact('leat.durability', await alter('leat.durability', 'os'))
    facts.fact('max.message.bytes', await alter('max.message.bytes', '2000000'))
    facts.fact('topic is there', (await admin.listTopics()).includes(topic))
  }, quick)
}

module.exports = {
  'events-append': appending,
  'events-batch': batch,
  'events-refused': refused,
  'events-idempotent': idempotent,
  'events-retry': retry,
  'events-partitioner': partitioner,
  'events-read': reading,
  'events-admin': administration
}
