'use strict'
// Administration of topics, configuration and groups.

const { ConfigResourceTypes } = require('kafkajs')
const { Member, range, sleep, waitFor, waitSizes } = require('./basics')

async function topicAdmin (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = setting.prefix + '-topic'
    const fresh = setting.prefix + '-refused'
    const create = (label, name, numPartitions = 1, replicationFactor = 1, config = {}, more = {}) => facts.outcome('create.' + label, () =>
      admin.createTopics({
        waitForLeaders: false,
        ...more,
        topics: [{ topic: name, numPartitions, replicationFactor, configEntries: Object.entries(config).map(([name, value]) => ({ name, value })) }]
      }))
    await create('new', topic, 3, 1, { 'retention.ms': '3600000' })
    // kafkajs tells by `false` that the topic is there already.
    facts.fact('create.exists', await admin.createTopics({ topics: [{ topic }] }))
    await create('bad name', 'a/b')
    await create('name ..', '..')
    await create('name of 250', 'n'.repeat(250))
    await create('no partitions', fresh, 0)
    await create('three replicas', fresh, 1, 3)
    await create('unknown config', fresh, 1, 1, { 'no.such': '1' })
    await create('bad value', fresh, 1, 1, { 'retention.ms': 'soon' })
    await create('validate only', fresh, 1, 1, {}, { validateOnly: true })
    await facts.outcome('create.not made', () => admin.fetchTopicMetadata({ topics: [fresh] }))
    const known = (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]
    facts.fact('describe', [known.partitions.length, known.partitions[0].replicas.length, known.partitions[0].isr.length])
    const grow = (label, count, name = topic, more = {}) => facts.outcome('partitions.' + label, () =>
      admin.createPartitions({ topicPartitions: [{ topic: name, count }], ...more }))
    await grow('validate only', 9, topic, { validateOnly: true })
    await grow('to 5', 5)
    await grow('to 5 again', 5)
    await grow('to 4', 4)
    await grow('unknown topic', 4, setting.prefix + '-none')
    await waitFor('five partitions', 10, async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length === 5)
    await setting.produce(topic, range(0, 3), 4)
    facts.fact('partitions.new one holds', await setting.end(admin, topic, 4))
    await facts.outcome('delete', () => admin.deleteTopics({ topics: [topic] }))
    await facts.outcome('delete again', () => admin.deleteTopics({ topics: [topic] }))
    await waitFor('its end', 10, async () => !(await admin.listTopics()).includes(topic))
  }, { retry: { retries: 2 } })
}

async function configAdmin (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'config', 1, { 'retention.ms': '7200000' })
    const show = async (label, name, type, keys) => {
      const found = (await admin.describeConfigs({ includeSynonyms: true, resources: [{ type, name, configNames: keys }] })).resources[0]
      for (const each of found.configEntries) {
        facts.fact(`${label} ${each.configName}`, [each.configValue, each.readOnly, each.isDefault, each.configSource, each.isSensitive,
          each.configSynonyms.map(other => [other.configName, other.configValue, other.configSource])])
      }
    }
    const keys = ['cleanup.policy', 'compression.type', 'max.message.bytes', 'message.timestamp.type', 'retention.bytes', 'retention.ms', 'segment.bytes', 'segment.ms']
    await show('topic', topic, ConfigResourceTypes.TOPIC, keys)
    const alter = (label, entries, name = topic) => facts.outcome('alter.' + label, () => admin.alterConfigs({
      resources: [{ type: ConfigResourceTypes.TOPIC, name, configEntries: entries }]
    }))
    await alter('set', [{ name: 'max.message.bytes', value: '2000000' }])
    await sleep(400) // Kafka answers when its controller has it; its broker shows it a moment later
    await show('old way', topic, ConfigResourceTypes.TOPIC, ['max.message.bytes', 'retention.ms'])
    await alter('unknown key', [{ name: 'no.such.key', value: '1' }])
    await alter('bad value', [{ name: 'retention.ms', value: 'later' }])
    await alter('unknown topic', [{ name: 'retention.ms', value: '1' }], setting.prefix + '-none')
    await facts.outcome('describe unknown topic', () => show('none', setting.prefix + '-none', ConfigResourceTypes.TOPIC, keys))
    const broker = String((await admin.describeCluster()).brokers[0].nodeId)
    await show('broker', broker, ConfigResourceTypes.BROKER, ['auto.create.topics.enable', 'message.max.bytes', 'num.partitions', 'log.retention.hours'])
  }, { retry: { retries: 2 } })
}

async function deleteRecords (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'delete-records')
    await setting.produce(topic, range(0, 100))
    const drop = offset => admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] })
    await facts.outcome('delete', () => drop(40))
    facts.fact('offsets', await admin.fetchTopicOffsets(topic))
    facts.fact('before the start, from the beginning', (await setting.read(topic, 3, 60))[0].offset)
    await facts.outcome('behind the end', () => drop(101))
    await facts.outcome('all', () => drop(-1))
    await setting.produce(topic, [0])
    facts.fact('afterwards', await admin.fetchTopicOffsets(topic))
  }, { retry: { retries: 2 } })
}

async function describeCluster (setting, facts) {
  await setting.withAdmin(async admin => {
    const known = await admin.describeCluster()
    facts.fact('nodes', known.brokers.length)
    facts.fact('controller is a node', known.brokers.some(each => each.nodeId === known.controller))
    facts.fact('address', `${known.brokers[0].host}:${known.brokers[0].port}` === setting.bootstrap)
    facts.fact('has an id', known.clusterId.length > 0)
  })
}

async function groupAdmin (setting, facts) {
  await setting.withAdmin(async admin => {
    const topic = await setting.topic(admin, 'groups', 2)
    await setting.produce(topic, range(0, 10))
    const group = setting.prefix + '-group'
    const listed = async () => (await admin.listGroups()).groups.filter(each => each.groupId === group)
    const unknown = (await admin.describeGroups([group + '-none'])).groups[0]
    facts.fact('describe unknown', [unknown.errorCode, unknown.state, unknown.members.length])
    await facts.outcome('delete unknown', () => admin.deleteGroups([group + '-none']))
    const member = await new Member(setting, topic, group, {}, { clientId: 'reader' }).start()
    await waitSizes(member, 2)
    await waitFor('ten records', 20, () => member.messages.length >= 10)
    const known = (await admin.describeGroups([group])).groups[0]
    facts.fact('stable', [known.state, known.protocol, known.members.length, known.members[0].clientId])
    facts.fact('listed', await listed())
    await facts.outcome('delete while in use', () => admin.deleteGroups([group]))
    await member.stop()
    await facts.outcome('delete', () => admin.deleteGroups([group]))
    facts.fact('listed afterwards', await listed())
  }, { retry: { retries: 2 } })
}

module.exports = {
  'topic-admin': topicAdmin,
  'config-admin': configAdmin,
  'delete-records': deleteRecords,
  'describe-cluster': describeCluster,
  'group-admin': groupAdmin
}
