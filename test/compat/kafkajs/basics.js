'use strict'
// What every kafkajs scenario needs: facts as JSON lines, the sample records, reading, members of groups.

const crypto = require('crypto')
const { Kafka, CompressionCodecs, CompressionTypes, PartitionAssigners, logLevel } = require('kafkajs')
const snappy = require('snappyjs')
const lz4 = require('lz4-napi')

// kafkajs brings gzip alone; the others are plugged in, in the framing that Kafka expects.
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
function unsnappy (data) {
  if (!data.subarray(0, 8).equals(XERIAL)) return Buffer.from(snappy.uncompress(data))
  const parts = []
  for (let at = 16; at < data.length;) {
    const size = data.readUInt32BE(at)
    parts.push(Buffer.from(snappy.uncompress(data.subarray(at + 4, at + 4 + size))))
    at += 4 + size
  }
  return Buffer.concat(parts)
}
CompressionCodecs[CompressionTypes.Snappy] = () => ({
  compress: async encoder => Buffer.from(snappy.compress(encoder.buffer)),
  decompress: async data => unsnappy(data)
})
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => lz4.compressFrame(encoder.buffer),
  decompress: async data => lz4.decompressFrame(data)
})

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

async function waitFor (what, seconds, test) {
  const end = Date.now() + seconds * 1000
  while (!(await test())) {
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain for: ${what}`)
    await sleep(50)
  }
}

class Facts {
  constructor (scenario) { this.scenario = scenario }
  say (rest) { process.stdout.write(JSON.stringify({ s: this.scenario, ...rest }) + '\n') }
  fact (name, value) { this.say({ fact: name, value: value === undefined ? null : value }) }
  async outcome (name, work) { this.fact(name, await errorName(work)) }
}

// The protocol's name of the error that the work ended with, or "ok".
async function errorName (work) {
  try {
    await work()
    return 'ok'
  } catch (problem) {
    console.error(problem)
    return nameOf(problem)
  }
}

function nameOf (problem) {
  if (problem.type) return problem.type
  if (problem.errors && problem.errors.length) return nameOf(problem.errors[0])
  for (const list of [problem.groups, problem.partitions]) {
    const first = (list || []).find(each => each.error || each.errorCode)
    if (first) return first.error ? nameOf(first.error) : 'error ' + first.errorCode
  }
  if (problem.cause) return nameOf(problem.cause)
  return problem.name
}

function sample (number, timestamp) {
  const record = {
    key: number % 5 === 0 ? null : 'k' + number,
    value: number % 7 === 6 ? null : `v${number}-${'x'.repeat(100)}`,
    headers: { number: String(number) }
  }
  if (timestamp !== undefined) record.timestamp = String(timestamp)
  return record
}

const range = (begin, end) => Array.from({ length: end - begin }, (_, index) => begin + index)
const text = data => data === null || data === undefined ? '~' : data.toString()

function digest (messages) {
  const sha = crypto.createHash('sha256')
  for (const m of messages) {
    let line = `${m.offset}|${text(m.key)}|${text(m.value)}`
    for (const [name, value] of Object.entries(m.headers || {})) line += `|${name}=${text(value)}`
    sha.update(line + '\n')
  }
  return sha.digest('hex').slice(0, 16)
}

class Setting {
  constructor (options) {
    Object.assign(this, options)
    this.gate = options.scale === 'gate'
    this.serial = 0
  }

  kafka (more = {}) {
    return new Kafka({
      clientId: this.prefix,
      brokers: [this.bootstrap],
      logLevel: logLevel.ERROR,
      logCreator: () => ({ label, log }) => console.error(label, log.message, log.error || ''),
      retry: { initialRetryTime: 100, retries: 8 },
      ...more
    })
  }

  async withAdmin (work, more) {
    const admin = this.kafka(more).admin()
    await admin.connect()
    try {
      return await work(admin)
    } finally {
      await admin.disconnect()
    }
  }

  async withProducer (options, work, more) {
    const producer = this.kafka(more).producer(options)
    await producer.connect()
    try {
      return await work(producer)
    } finally {
      await producer.disconnect()
    }
  }

  async topic (admin, label, numPartitions = 1, config = {}) {
    const topic = `${this.prefix}-${label}`
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
    await admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }], waitForLeaders: false })
    // kafkajs repeats a whole send when one of its partitions is not there yet; so wait for all of them.
    await waitFor('topic ' + topic, 60, async () => {
      try {
        return (await admin.fetchTopicOffsets(topic)).length === numPartitions
      } catch {
        return false
      }
    })
    return topic
  }

  produce (topic, numbers, partition = 0) {
    return this.withProducer({}, producer => producer.send({ topic, messages: numbers.map(n => ({ ...sample(n), partition })) }))
  }

  // Reads `count` messages from `offset` of partition 0 (or of all partitions, from where the group stands).
  async read (topic, offset, count, options = {}, seconds = 20, more = {}) {
    const group = options.groupId || `${this.prefix}-reader-${this.serial++}`
    const consumer = this.kafka(more).consumer({ maxWaitTimeInMs: 200, ...options, groupId: group })
    const found = []
    await consumer.connect()
    try {
      await consumer.subscribe({ topics: [topic], fromBeginning: options.fromBeginning !== false })
      await consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          for (const message of batch.messages) found.push({ ...message, partition: batch.partition, highWatermark: batch.highWatermark })
        }
      })
      // While the coordinator is still loading, kafkajs restarts its group, and there is nothing to seek in.
      if (offset !== null) {
        await waitFor('the group', 10, () => {
          try {
            consumer.seek({ topic, partition: 0, offset: String(offset) })
            return true
          } catch {
            return false
          }
        })
      }
      await waitFor('records', seconds, () => found.length >= count).catch(() => {})
    } finally {
      await consumer.disconnect()
    }
    return found.slice(0, count)
  }

  async end (admin, topic, partition = 0) {
    return Number((await admin.fetchTopicOffsets(topic)).find(each => each.partition === partition).high)
  }
}

// A member of a group which remembers what it was given and what it read.
class Member {
  constructor (setting, topic, groupId, options = {}, more = {}) {
    this.assigned = []
    this.rebalances = 0
    this.messages = []
    this.failure = null
    this.topic = topic
    this.consumer = setting.kafka(more).consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 300, maxWaitTimeInMs: 200, ...options })
    const { GROUP_JOIN, CRASH, REBALANCING } = this.consumer.events
    this.consumer.on(GROUP_JOIN, ({ payload }) => {
      this.rebalances++
      this.assigned = payload.memberAssignment[topic] || []
    })
    this.consumer.on(REBALANCING, () => { this.assigned = [] })
    this.consumer.on(CRASH, ({ payload }) => { this.failure = nameOf(payload.error) })
  }

  async start () {
    await this.consumer.connect()
    await this.consumer.subscribe({ topics: [this.topic], fromBeginning: true })
    await this.consumer.run({
      eachMessage: async ({ partition, message }) => {
        this.messages.push(`${partition}/${message.offset}`)
        await this.consumer.commitOffsets([{ topic: this.topic, partition, offset: String(Number(message.offset) + 1) }])
      },
      autoCommit: false
    })
    return this
  }

  async stop () {
    this.assigned = []
    await Promise.race([this.consumer.disconnect(), sleep(5000)])
  }
}

function waitSizes (a, count, b, other = 0) {
  return waitFor(`assignments of ${count} and ${other}`, 40, () =>
    a.assigned.length === count && (!b || b.assigned.length === other))
}

module.exports = { CompressionTypes, Facts, Member, PartitionAssigners, Setting, digest, errorName, range, sample, sleep, waitFor, waitSizes }
