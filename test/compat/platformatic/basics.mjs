// What every scenario of @platformatic/kafka needs: facts as JSON lines, the sample records, reading, members.

import { createHash } from 'node:crypto'
import { Admin, Consumer, MessagesStreamModes, Producer, protocolErrorsCodesById } from '@platformatic/kafka'

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
export const range = (begin, end) => Array.from({ length: end - begin }, (_, index) => begin + index)

export async function waitFor (what, seconds, test) {
  const end = Date.now() + seconds * 1000
  while (!(await test())) {
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain for: ${what}`)
    await sleep(50)
  }
}

// The protocol's name of an error: the client wraps it several times.
export function nameOf (problem) {
  if (problem.apiId) return problem.apiId
  if (typeof problem.apiCode === 'number') return protocolErrorsCodesById?.[problem.apiCode] ?? `error ${problem.apiCode}`
  for (const inner of [...(problem.errors ?? []), problem.cause].filter(Boolean)) {
    const name = nameOf(inner)
    if (name) return name
  }
  return problem.code ?? problem.name
}

export async function errorName (work) {
  try {
    await work()
    return 'ok'
  } catch (problem) {
    console.error(problem)
    return nameOf(problem)
  }
}

export class Facts {
  constructor (scenario) { this.scenario = scenario }
  say (rest) {
    const plain = (_key, value) => typeof value === 'bigint' ? Number(value) : value
    process.stdout.write(JSON.stringify({ s: this.scenario, ...rest }, plain) + '\n')
  }

  fact (name, value) { this.say({ fact: name, value: value === undefined ? null : value }) }
  async outcome (name, work) { this.fact(name, await errorName(work)) }
}

export function sample (topic, number, partition = 0, timestamp) {
  const record = {
    topic,
    partition,
    headers: new Map([[Buffer.from('number'), Buffer.from(String(number))]])
  }
  if (number % 5 !== 0) record.key = Buffer.from('k' + number)
  if (number % 7 !== 6) record.value = Buffer.from(`v${number}-${'x'.repeat(100)}`)
  if (timestamp !== undefined) record.timestamp = BigInt(timestamp)
  return record
}

const text = data => data === null || data === undefined ? '~' : data.toString()

export function digest (messages) {
  const sha = createHash('sha256')
  for (const m of messages) {
    let line = `${m.offset}|${text(m.key)}|${text(m.value)}`
    for (const [name, value] of m.headers ?? []) line += `|${name}=${text(value)}`
    sha.update(line + '\n')
  }
  return sha.digest('hex').slice(0, 16)
}

export class Setting {
  constructor (options) {
    Object.assign(this, options)
    this.gate = options.scale === 'gate'
    this.serial = 0
  }

  through () { return Object.assign(new Setting(this), { bootstrap: this.cut }) }

  options (more = {}) {
    return { clientId: this.prefix, bootstrapBrokers: [this.bootstrap], retries: 3, retryDelay: 200, timeout: 10000, ...more }
  }

  async withAdmin (work, more) {
    const admin = new Admin(this.options(more))
    try {
      return await work(admin)
    } finally {
      await admin.close()
    }
  }

  async withProducer (more, work) {
    const producer = new Producer(this.options(more))
    try {
      return await work(producer)
    } finally {
      await producer.close()
    }
  }

  async topic (admin, label, partitions = 1, config = {}) {
    const topic = `${this.prefix}-${label}`
    await admin.createTopics({ topics: [topic], partitions, replicas: 1, configs: Object.entries(config).map(([name, value]) => ({ name, value })) })
    await waitFor('topic ' + topic, 60, async () => {
      try {
        return (await this.ends(admin, topic, partitions)).length === partitions
      } catch {
        return false
      }
    })
    return topic
  }

  async ends (admin, topic, partitions = 1, timestamp = -1n) {
    const listed = await admin.listOffsets({ topics: [{ name: topic, partitions: range(0, partitions).map(partitionIndex => ({ partitionIndex, timestamp })) }] })
    return listed.flatMap(each => each.partitions).sort((a, b) => a.partitionIndex - b.partitionIndex)
  }

  async end (admin, topic) { return Number((await this.ends(admin, topic))[0].offset) }

  produce (topic, numbers, partition = 0) {
    return this.withProducer({}, producer => producer.send({ messages: numbers.map(n => sample(topic, n, partition)) }))
  }

  // Reads `count` messages; `stream` are options of consume(): mode, offsets, limits.
  async read (topic, count, stream = {}, seconds = 20, more = {}) {
    const consumer = new Consumer(this.options({ groupId: `${this.prefix}-reader-${this.serial++}`, ...more }))
    const found = []
    let failure = null
    const messages = await consumer.consume({ topics: [topic], autocommit: false, maxWaitTime: 200, mode: MessagesStreamModes.EARLIEST, ...stream })
    messages.on('data', message => found.push(message))
    messages.on('error', problem => { failure = problem })
    await waitFor('records', seconds, () => failure || found.length >= count).catch(() => {})
    await messages.close().catch(() => {})
    await consumer.close(true).catch(() => {})
    if (failure) throw failure
    return found.slice(0, count)
  }

  readFrom (topic, offset, count, more = {}) {
    return this.read(topic, count, { mode: MessagesStreamModes.MANUAL, offsets: [{ topic, partition: 0, offset: BigInt(offset) }], ...more })
  }
}

// A member of a group which remembers what it was given and what it read.
export class Member {
  constructor (setting, topic, groupId, more = {}) {
    this.topic = topic
    this.messages = []
    this.joins = 0
    this.failure = null
    this.consumer = new Consumer(setting.options({ groupId, sessionTimeout: 6000, heartbeatInterval: 300, ...more }))
    this.consumer.on('consumer:group:join', () => this.joins++)
    this.consumer.on('consumer:heartbeat:error', ({ error }) => { this.failure = nameOf(error) })
    this.consumer.on('error', problem => { this.failure = nameOf(problem) })
  }

  get assigned () {
    return this.stopped ? [] : (this.consumer.assignments ?? []).filter(each => each.topic === this.topic).flatMap(each => each.partitions)
  }

  async start () {
    this.stream = await this.consumer.consume({ topics: [this.topic], autocommit: false, maxWaitTime: 200, mode: MessagesStreamModes.COMMITTED, fallbackMode: 'earliest' })
    this.stream.on('error', problem => { this.failure = nameOf(problem) })
    this.stream.on('data', message => {
      this.messages.push(`${message.partition}/${message.offset}`)
      message.commit(() => {})
    })
    return this
  }

  async stop () {
    this.stopped = true
    await Promise.race([this.stream.close().catch(() => {}).then(() => this.consumer.close(true)).catch(() => {}), sleep(5000)])
  }
}

export function waitSizes (a, count, b, other = 0) {
  return waitFor(`assignments of ${count} and ${other}`, 40, () => a.assigned.length === count && (!b || b.assigned.length === other))
}
