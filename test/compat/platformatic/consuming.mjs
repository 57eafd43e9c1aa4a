// Where a reader may begin, what it remembers, and the members of groups.

import { Consumer, FetchIsolationLevels, MessagesStreamModes } from '@platformatic/kafka'
import { Member, digest, range, sample, sleep, waitFor, waitSizes } from './basics.mjs'

const BASE = 1600000000000

// 100 records, one second apart, in ten batches.
async function timed (setting, admin, label) {
  const topic = await setting.topic(admin, label, 1, { 'retention.ms': '-1' })
  await setting.withProducer({}, async producer => {
    for (let begin = 0; begin < 100; begin += 10) {
      await producer.send({ messages: range(begin, begin + 10).map(n => sample(topic, n, 0, BASE + n * 1000)), acks: -1 })
    }
  })
  return topic
}

async function positions (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await timed(setting, admin, 'positions')
    const all = await setting.read(topic, 100)
    facts.fact('earliest', [all[0].offset, all.length, digest(all)])
    facts.fact('timestamps', all.every(m => Number(m.timestamp) === BASE + Number(m.offset) * 1000))
    const late = setting.read(topic, 1, { mode: MessagesStreamModes.LATEST })
    await sleep(2000)
    await setting.produce(topic, [100])
    facts.fact('after latest', (await late)[0].offset)
    facts.fact('offset 37', (await setting.readFrom(topic, 37, 1))[0].offset)
    await facts.outcome('behind the end', () => setting.readFrom(topic, 1000, 1))
    const found = await setting.readFrom(topic, 5, 96, { maxBytes: 10, maxBytesPerPartition: 10 })
    facts.fact('tiny fetch limits', [found[0].offset, found.length])
  })
}

async function listOffsets (setting, facts) {
  await setting.withAdmin(async admin => {
    const topics = { full: await timed(setting, admin, 'list-offsets'), empty: await setting.topic(admin, 'list-offsets-empty') }
    for (const [label, topic] of Object.entries(topics)) {
      for (const [name, when] of Object.entries({ earliest: -2, latest: -1, 'largest timestamp': -3, exact: BASE + 73000, between: BASE + 73001, 'after all': BASE * 2 })) {
        const [one] = await setting.ends(admin, topic, 1, BigInt(when))
        facts.fact(`${label} ${name}`, [one.offset, one.timestamp < 0n ? -1 : Number(one.timestamp) - BASE, one.leaderEpoch])
      }
    }
    await facts.outcome('unknown topic', () => setting.ends(admin, setting.prefix + '-nowhere'))
  }, { retries: 0 })
}

async function joinLeave (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'join', 6)
    const group = setting.prefix + '-join'
    const a = await new Member(setting, topic, group).start()
    await waitSizes(a, 6)
    const b = await new Member(setting, topic, group).start()
    await waitSizes(a, 3, b, 3)
    facts.fact('two share', [a.assigned.length, b.assigned.length, new Set([...a.assigned, ...b.assigned]).size])
    for (const partition of range(0, 6)) await setting.produce(topic, range(0, 10), partition)
    await waitFor('all records', 20, () => new Set([...a.messages, ...b.messages]).size >= 60)
    const known = (await admin.describeGroups({ groups: [group] })).get(group)
    facts.fact('described', [known.state, known.protocol, known.protocolType, known.members.size])
    await b.stop()
    await waitSizes(a, 6)
    await setting.produce(topic, range(10, 15), 3)
    await waitFor('the rest', 20, () => new Set([...a.messages, ...b.messages]).size >= 65)
    facts.fact('all were read', new Set([...a.messages, ...b.messages]).size)
    await a.stop()
    facts.fact('failures', [a.failure, b.failure])
    await waitFor('an empty group', 20, async () => (await admin.describeGroups({ groups: [group] })).get(group).members.size === 0)
    facts.fact('afterwards', (await admin.describeGroups({ groups: [group] })).get(group).state)
    const [offsets] = await admin.listConsumerGroupOffsets({ groups: [group] })
    facts.fact('committed', offsets.topics[0].partitions.sort((x, y) => x.partitionIndex - y.partitionIndex).map(each => each.committedOffset))
  })
}

async function memberDies (outer, facts) {
  const setting = outer.through()
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'dies', 6)
    const group = setting.prefix + '-dies'
    const a = await new Member(setting, topic, group).start()
    await waitSizes(a, 6)
    const b = await new Member(setting, topic, group, { clientId: 'die.12.12.' + setting.prefix, retries: 0 }).start()
    await waitSizes(a, 3, b, 3)
    facts.fact('two share', [a.assigned.length, b.assigned.length])
    await waitSizes(a, 6)
    facts.fact('one is left', a.assigned.length)
    facts.fact('members', (await admin.describeGroups({ groups: [group] })).get(group).members.size)
    await b.stop()
    await a.stop()
  })
}

async function staticMembers (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'static', 6)
    const group = setting.prefix + '-static'
    const a = await new Member(setting, topic, group, { groupInstanceId: 'one', sessionTimeout: 20000 }).start()
    await waitSizes(a, 6)
    const b = await new Member(setting, topic, group, { groupInstanceId: 'two', sessionTimeout: 20000 }).start()
    await waitSizes(a, 3, b, 3)
    const known = (await admin.describeGroups({ groups: [group] })).get(group)
    facts.fact('instances', [...known.members.values()].map(each => each.groupInstanceId).sort())
    const twin = await new Member(setting, topic, group, { groupInstanceId: 'two', sessionTimeout: 20000 }).start()
    await waitFor('the fence', 20, () => b.failure)
    facts.fact('the double', b.failure)
    await waitSizes(a, 3, twin, 3)
    facts.fact('the newer one stays', twin.assigned.length)
    await Promise.all([b.stop(), twin.stop(), a.stop()])
  })
}

async function commitSeek (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'commit', 2)
    await setting.produce(topic, range(0, 20))
    const groupId = setting.prefix + '-commit'
    const tell = async label => {
      const [all] = await admin.listConsumerGroupOffsets({ groups: [groupId] })
      facts.fact(label, all.topics.flatMap(each => each.partitions).map(each => [each.partitionIndex, each.committedOffset, each.metadata, each.committedLeaderEpoch]).sort())
    }
    const alter = (label, offset) => facts.outcome(label, () => admin.alterConsumerGroupOffsets({ groupId, topics: [{ name: topic, partitionOffsets: [{ partition: 0, offset }] }] }))
    await tell('nothing committed')
    const consumer = new Consumer(setting.options({ groupId }))
    consumer.topics.track(topic)
    await consumer.joinGroup()
    await consumer.commit({ offsets: [{ topic, partition: 0, offset: 5n, leaderEpoch: 0 }] })
    await tell('committed')
    await alter('alter while in use', 1n)
    await consumer.close(true)
    const resumed = await setting.read(topic, 1, { mode: MessagesStreamModes.COMMITTED }, 20, { groupId })
    facts.fact('resumed at', resumed[0].offset)
    await alter('alter', 1000n)
    await tell('behind the end')
    await facts.outcome('delete offsets', () => admin.deleteConsumerGroupOffsets({ groupId, topics: [{ name: topic, partitionIndexes: [0] }] }))
    await tell('deleted')
  })
}

async function readCommitted (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'read-committed')
    await setting.produce(topic, range(0, 50))
    for (const [name, isolationLevel] of Object.entries(FetchIsolationLevels)) {
      facts.fact(name, digest(await setting.readFrom(topic, 0, 50, { isolationLevel })))
    }
  })
}

export default {
  'consume-positions': positions,
  'list-offsets': listOffsets,
  'group-join-leave': joinLeave,
  'group-member-dies': memberDies,
  'group-static-members': staticMembers,
  'commit-seek': commitSeek,
  'read-committed': readCommitted
}
