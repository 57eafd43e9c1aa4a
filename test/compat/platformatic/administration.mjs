// Administration of topics, configuration and groups.

import { ConfigResourceTypes, IncrementalAlterConfigOperationTypes } from '@platformatic/kafka'
import { Member, range, sleep, waitFor, waitSizes } from './basics.mjs'

async function topicAdmin (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = setting.prefix + '-topic'
    const fresh = setting.prefix + '-refused'
    const create = (label, name, partitions = 1, replicas = 1, config = {}) => facts.outcome('create.' + label, async () => {
      const [made] = await admin.createTopics({ topics: [name], partitions, replicas, configs: Object.entries(config).map(([name, value]) => ({ name, value })) })
      facts.fact(`create.${label} tells`, [made.partitions, made.replicas, made.configuration['retention.ms']])
    })
    await create('new', topic, 3, 1, { 'retention.ms': '3600000' })
    await create('exists', topic, 3)
    await create('bad name', 'a/b')
    await create('name ..', '..')
    await create('name of 250', 'n'.repeat(250))
    await create('three replicas', fresh, 1, 3)
    await create('unknown config', fresh, 1, 1, { 'no.such': '1' })
    await create('bad value', fresh, 1, 1, { 'retention.ms': 'soon' })
    const grow = (label, count, name = topic, validateOnly = false) => facts.outcome('partitions.' + label, () =>
      admin.createPartitions({ topics: [{ name, count, assignments: null }], validateOnly }))
    await grow('validate only', 9, topic, true)
    await grow('to 5', 5)
    await grow('to 5 again', 5)
    await grow('to 4', 4)
    await grow('unknown topic', 4, setting.prefix + '-none')
    await waitFor('five partitions', 10, async () => (await admin.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic).partitionsCount === 5)
    await setting.produce(topic, range(0, 3), 4)
    facts.fact('partitions.new one holds', (await setting.ends(admin, topic, 5))[4].offset)
    await facts.outcome('delete', () => admin.deleteTopics({ topics: [topic] }))
    await facts.outcome('delete again', () => admin.deleteTopics({ topics: [topic] }))
    await waitFor('its end', 10, async () => !(await admin.listTopics()).includes(topic))
    await facts.outcome('describe gone', () => admin.metadata({ topics: [topic], forceUpdate: true }))
  }, { retries: 0 })
}

async function configAdmin (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'config', 1, { 'retention.ms': '7200000' })
    const show = async (label, resourceType, resourceName, configurationKeys) => {
      const [found] = await admin.describeConfigs({ resources: [{ resourceType, resourceName, configurationKeys }], includeSynonyms: true })
      for (const each of found.configs) {
        facts.fact(`${label} ${each.name}`, [each.value, each.readOnly, each.configSource, each.isSensitive, each.configType, each.synonyms.map(other => [other.name, other.value, other.source])])
      }
    }
    const { TOPIC, BROKER } = ConfigResourceTypes
    await show('topic', TOPIC, topic, ['cleanup.policy', 'compression.type', 'max.message.bytes', 'message.timestamp.type', 'retention.bytes', 'retention.ms', 'segment.bytes', 'segment.ms'])
    const alter = (label, name, value, operation, resourceName = topic) => facts.outcome('alter.' + label, () => admin.incrementalAlterConfigs({
      resources: [{ resourceType: TOPIC, resourceName, configs: [{ name, value, configOperation: operation }] }]
    }))
    const { SET, DELETE, APPEND } = IncrementalAlterConfigOperationTypes
    await alter('set', 'max.message.bytes', '2000000', SET)
    await sleep(400) // Kafka answers when its controller has it; its broker shows it a moment later
    await show('set', TOPIC, topic, ['max.message.bytes', 'retention.ms'])
    await alter('delete', 'max.message.bytes', null, DELETE)
    await sleep(400)
    await show('delete', TOPIC, topic, ['max.message.bytes', 'retention.ms'])
    await alter('append', 'cleanup.policy', 'delete', APPEND)
    await alter('append to no list', 'retention.ms', '1', APPEND)
    await alter('unknown key', 'no.such.key', '1', SET)
    await alter('bad value', 'retention.ms', 'later', SET)
    await alter('unknown topic', 'retention.ms', '1', SET, setting.prefix + '-none')
    await facts.outcome('alter.the old way', () => admin.alterConfigs({ resources: [{ resourceType: TOPIC, resourceName: topic, configs: [{ name: 'retention.ms', value: '1000000' }] }] }))
    await sleep(400)
    await show('old way', TOPIC, topic, ['cleanup.policy', 'retention.ms'])
    const broker = String([...(await admin.metadata({})).brokers.keys()][0])
    await show('broker', BROKER, broker, ['auto.create.topics.enable', 'message.max.bytes', 'num.partitions', 'log.retention.hours'])
  }, { retries: 0 })
}

async function deleteRecords (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'delete-records')
    await setting.produce(topic, range(0, 100))
    const drop = (label, offset) => facts.outcome(label, async () => {
      const [done] = await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset }] }] })
      facts.fact(label + ' tells', done.partitions[0].lowWatermark)
    })
    await drop('low watermark', 40n)
    facts.fact('first left', (await setting.read(topic, 60))[0].offset)
    await facts.outcome('before the start', () => setting.readFrom(topic, 3, 1))
    await drop('backwards', 10n)
    await drop('behind the end', 101n)
    await drop('all', -1n)
    await setting.produce(topic, [0])
    facts.fact('next offset', await setting.end(admin, topic))
  }, { retries: 0 })
}

async function describeCluster (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'described', 2)
    await setting.produce(topic, range(0, 50), 1)
    const known = await admin.metadata({ topics: [topic] })
    facts.fact('nodes', known.brokers.size)
    const [node] = known.brokers.values()
    facts.fact('address', `${node.host}:${node.port}` === setting.bootstrap)
    facts.fact('controller is a node', known.brokers.has(known.controllerId))
    facts.fact('has an id', known.id.length > 0)
    const dirs = await admin.describeLogDirs({ topics: [{ name: topic, partitions: [0, 1] }] })
    facts.fact('log dirs', dirs.map(each => each.results.length))
    const parts = dirs[0].results[0].topics[0].partitions
    facts.fact('sizes', parts.sort((a, b) => a.partitionIndex - b.partitionIndex).map(each => [each.partitionSize > 0n, each.offsetLag, each.isFutureKey]))
    facts.fact('volume', [dirs[0].results[0].totalBytes > 0n, dirs[0].results[0].usableBytes > 0n])
  })
}

async function groupAdmin (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'groups', 2)
    await setting.produce(topic, range(0, 10))
    const group = setting.prefix + '-group'
    const listed = async (label, states) => {
      const found = (await admin.listGroups(states ? { states } : {})).get(group)
      facts.fact(label, found ? [found.state, found.groupType, found.protocolType] : null)
    }
    await facts.outcome('describe unknown', () => admin.describeGroups({ groups: [group + '-none'] }))
    await facts.outcome('delete unknown', () => admin.deleteGroups({ groups: [group + '-none'] }))
    const member = await new Member(setting, topic, group, { clientId: 'reader' }).start()
    await waitSizes(member, 2)
    await waitFor('ten records', 20, () => member.messages.length >= 10)
    const known = (await admin.describeGroups({ groups: [group] })).get(group)
    const [one] = known.members.values()
    facts.fact('stable', [known.state, known.protocol, known.members.size, one.clientId, one.id.startsWith('reader-')])
    await listed('listed')
    await listed('listed stable', ['STABLE'])
    await listed('listed as empty', ['EMPTY'])
    await facts.outcome('delete while in use', () => admin.deleteGroups({ groups: [group] }))
    await facts.outcome('remove members', () => admin.removeMembersFromConsumerGroup({ groupId: group, members: [{ memberId: one.id }] }))
    await facts.outcome('remove an unknown member', () => admin.removeMembersFromConsumerGroup({ groupId: group, members: [{ memberId: 'nobody' }] }))
    await member.stop()
    await waitFor('an empty group', 30, async () => (await admin.describeGroups({ groups: [group] })).get(group).members.size === 0)
    await listed('listed empty', ['EMPTY'])
    await facts.outcome('delete', () => admin.deleteGroups({ groups: [group] }))
    await listed('listed afterwards')
  }, { retries: 0 })
}

export default {
  'topic-admin': topicAdmin,
  'config-admin': configAdmin,
  'delete-records': deleteRecords,
  'describe-cluster': describeCluster,
  'group-admin': groupAdmin
}
