'use strict'
// Where a reader may begin, what it remembers, and the members of groups.

const { Member, PartitionAssigners, digest, range, sample, waitFor, waitSizes } = require('./basics')

const BASE = 1600000000000

// 100 records, one second apart, in ten batches.
async function timed (setting, admin, label) {
  const topic = await setting.topic(admin, label, 1, { 'retention.ms': '-1' })
  await setting.withProducer({}, async producer => {
    for (let begin = 0; begin < 100; begin += 10) {
      await producer.send({ topic, messages: range(begin, begin + 10).map(n => sample(n, BASE + n * 1000)) })
    }
  })
  return topic
}

async function positions (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await timed(setting, admin, 'positions')
    const all = await setting.read(topic, null, 100)
    facts.fact('earliest', [all[0].offset, all.length, all[0].highWatermark])
    facts.fact('digest', digest(all))
    facts.fact('timestamps', all.every(m => Number(m.timestamp) === BASE + Number(m.offset) * 1000))
    const late = setting.read(topic, null, 1, { fromBeginning: false, groupId: setting.prefix + '-late' })
    await waitFor('the late reader', 20, async () => (await admin.describeGroups([setting.prefix + '-late'])).groups[0].state === 'Stable')
    await new Promise(resolve => setTimeout(resolve, 700))
    await setting.produce(topic, [100])
    facts.fact('after latest', (await late)[0].offset)
    facts.fact('offset 37', (await setting.read(topic, 37, 1))[0].offset)
    facts.fact('behind the end, from the beginning', (await setting.read(topic, 1000, 1))[0].offset)
    const fetched = await setting.read(topic, 5, 96, { maxBytesPerPartition: 10, maxBytes: 10 })
    facts.fact('tiny fetch limits', [fetched[0].offset, fetched.length])
  })
}

async function listOffsets (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await timed(setting, admin, 'list-offsets')
    const empty = await setting.topic(admin, 'list-offsets-empty')
    for (const [label, name] of [['full', topic], ['empty', empty]]) {
      facts.fact(label, await admin.fetchTopicOffsets(name))
      for (const [when, time] of [['exact', BASE + 73000], ['between', BASE + 73001], ['before all', 0], ['after all', BASE * 2]]) {
        facts.fact(`${label} time ${when}`, await admin.fetchTopicOffsetsByTimestamp(name, time))
      }
    }
    await facts.outcome('unknown topic', () => admin.fetchTopicOffsets(setting.prefix + '-nowhere'))
  }, { retry: { retries: 2 } })
}

async function joinLeave (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'join', 6)
    const group = setting.prefix + '-join'
    const how = { partitionAssigners: [PartitionAssigners.roundRobin] }
    const a = await new Member(setting, topic, group, how).start()
    await waitSizes(a, 6)
    const b = await new Member(setting, topic, group, how).start()
    await waitSizes(a, 3, b, 3)
    facts.fact('two share', [a.assigned.length, b.assigned.length, new Set([...a.assigned, ...b.assigned]).size])
    for (const partition of range(0, 6)) await setting.produce(topic, range(0, 10), partition)
    await waitFor('all records', 20, () => a.messages.length + b.messages.length >= 60)
    facts.fact('each read half', [a.messages.length, b.messages.length])
    const known = (await admin.describeGroups([group])).groups[0]
    facts.fact('described', [known.errorCode, known.state, known.members.length, known.protocol, known.protocolType])
    await b.stop()
    await waitSizes(a, 6)
    await setting.produce(topic, range(10, 15), 3)
    await waitFor('the rest', 20, () => new Set([...a.messages, ...b.messages]).size >= 65)
    facts.fact('nothing twice', a.messages.length + b.messages.length)
    await a.stop()
    facts.fact('failures', [a.failure, b.failure])
    const after = (await admin.describeGroups([group])).groups[0]
    facts.fact('afterwards', [after.state, after.members.length])
    const offsets = (await admin.fetchOffsets({ groupId: group, topics: [topic] }))[0].partitions
    facts.fact('committed', offsets.sort((x, y) => x.partition - y.partition).map(each => each.offset))
  })
}

async function memberDies (setting, facts) {
  const through = { brokers: [setting.cut] }
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'dies', 6)
    const group = setting.prefix + '-dies'
    const a = await new Member(setting, topic, group, {}, through).start()
    await waitSizes(a, 6)
    const b = await new Member(setting, topic, group, { retry: { retries: 0 } }, { ...through, clientId: 'die.12.6.' + setting.prefix }).start()
    await waitSizes(a, 3, b, 3)
    facts.fact('two share', [a.assigned.length, b.assigned.length])
    await waitSizes(a, 6)
    facts.fact('one is left', a.assigned.length)
    facts.fact('members', (await admin.describeGroups([group])).groups[0].members.length)
    await b.stop()
    await a.stop()
    facts.fact('failure', a.failure)
  }, through)
}

async function staticMembers (_setting, facts) {
  facts.say({ na: 'kafkajs has no static membership (no group.instance.id)' })
}

async function commitSeek (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'commit', 2)
    await setting.produce(topic, range(0, 20))
    const group = setting.prefix + '-commit'
    const tell = async label => {
      const found = (await admin.fetchOffsets({ groupId: group, topics: [topic] }))[0].partitions
      facts.fact(label, found.sort((x, y) => x.partition - y.partition).map(each => [each.offset, each.metadata]))
    }
    await tell('nothing committed')
    const consumer = setting.kafka().consumer({ groupId: group, maxWaitTimeInMs: 200 })
    const seen = []
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({ autoCommit: false, eachMessage: async ({ message }) => { seen.push(Number(message.offset)) } })
    await waitFor('the first read', 20, () => seen.length >= 20)
    await consumer.commitOffsets([{ topic, partition: 0, offset: '5', metadata: 'a note' }])
    await tell('committed')
    seen.length = 0
    consumer.seek({ topic, partition: 0, offset: '2' })
    await waitFor('the seek', 20, () => seen.length > 0)
    facts.fact('after seek', seen[0])
    await facts.outcome('metadata too large', () => consumer.commitOffsets([{ topic, partition: 0, offset: '6', metadata: 'm'.repeat(5000) }]))
    await facts.outcome('alter while in use', () => admin.setOffsets({ groupId: group, topic, partitions: [{ partition: 0, offset: '1' }] }))
    await consumer.disconnect()
    await tell('still committed')
    facts.fact('resumed at', (await setting.read(topic, null, 1, { groupId: group }))[0].offset)
    await facts.outcome('set offsets', () => admin.setOffsets({ groupId: group, topic, partitions: [{ partition: 0, offset: '11' }, { partition: 1, offset: '1000' }] }))
    await tell('set')
    await facts.outcome('reset offsets', () => admin.resetOffsets({ groupId: group, topic, earliest: true }))
    await tell('reset')
  })
}

async function readCommitted (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'read-committed')
    await setting.produce(topic, range(0, 50))
    for (const readUncommitted of [false, true]) {
      facts.fact('readUncommitted ' + readUncommitted, digest(await setting.read(topic, 0, 50, { readUncommitted })))
    }
  })
}

module.exports = {
  'consume-positions': positions,
  'list-offsets': listOffsets,
  'group-join-leave': joinLeave,
  'group-member-dies': memberDies,
  'group-static-members': staticMembers,
  'commit-seek': commitSeek,
  'read-committed': readCommitted
}
