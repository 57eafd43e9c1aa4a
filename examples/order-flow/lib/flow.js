// What the JavaScript services share: reading events with a Kafka client, appending them through the event store.
//
// An event is one Kafka record of the topic es.CATEGORY: key = its stream, value = its data as JSON, headers ce_* = who made
// it and what caused it (CloudEvents). Any Kafka client can read it. Appending goes over HTTP, because there one can say
// "only if the stream is still where I saw it" and hear who came first.
'use strict'

const crypto = require('crypto')
const { Kafka, logLevel } = require('kafkajs')

const bootstrap = process.env.LEAT_BOOTSTRAP || '127.0.0.1:9092'
const api = `http://${process.env.LEAT_HTTP || '127.0.0.1:8080'}/api/v1`
const PATIENCE_MS = 60000 // how long a call is tried again while leat is away
const thinkMs = Number(process.env.THINK_MS || 0) // a decision takes up to so long: for tests that want conflicts

function connect (name) {
  return new Kafka({
    clientId: name,
    brokers: bootstrap.split(','),
    logLevel: logLevel.NOTHING,
    retry: { retries: 30, initialRetryTime: 100, maxRetryTime: 1000 }
  })
}

// ---- Events ----

// A name-based UUID (version 8: our own scheme) of what caused the event and what is done about it. Whoever does a piece of
// work again makes the same id again; the event store appends an id once.
function idFrom (causeId, command) {
  const h = crypto.createHash('sha256').update(`${causeId}/${command}`).digest()
  h[6] = (h[6] & 0x0f) | 0x80
  h[8] = (h[8] & 0x3f) | 0x80
  const s = h.toString('hex')
  return `${s.slice(0, 8)}-${s.slice(8, 12)}-${s.slice(12, 16)}-${s.slice(16, 20)}-${s.slice(20, 32)}`
}

// An event that `cause` led to, by the command of that name.
function caused (cause, command, type, data) {
  return { id: idFrom(cause.id, command), type, correlation_id: cause.correlation_id, causation_id: cause.id, data }
}

// The first event of a flow has no cause: its id is random and becomes the correlation id of all that follows.
function first (type, data) {
  const id = crypto.randomUUID()
  return { id, type, correlation_id: id, data }
}

// A record as an event, or null if it is not one (then it is named on standard error and passed over).
function parse (message) {
  const header = name => message.headers[name] && message.headers[name].toString()
  try {
    const event = {
      stream: message.key.toString(),
      id: header('ce_id'),
      type: header('ce_type'),
      time: header('ce_time'),
      correlation_id: header('ce_correlationid'),
      causation_id: header('ce_causationid'),
      data: JSON.parse(message.value.toString())
    }
    if (event.id && event.type) return event
  } catch (err) { /* named below */ }
  console.error(`not an event: key=${message.key} offset=${message.offset}`)
  return null
}

// ---- The event store ----

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

// A call of the API: { status, body }. While leat cannot be reached, or says "later" (it starts, is busy, its disk is full),
// it is tried again; appends have ids, so an append whose answer was lost is not made twice.
async function call (method, path, body) {
  const ends = Date.now() + PATIENCE_MS
  for (let wait = 50; ; wait = Math.min(wait * 2, 1000)) {
    let why
    try {
      const answer = await fetch(api + path, {
        method,
        signal: AbortSignal.timeout(15000),
        ...(body && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
      })
      const text = await answer.text()
      const said = text ? JSON.parse(text) : {}
      if (answer.status !== 429 && !(answer.status > 500 && said.retryable)) return { status: answer.status, body: said }
      why = text
    } catch (err) {
      why = `${err.message} ${err.cause ? err.cause.message : ''}`
    }
    if (Date.now() > ends) throw new Error(`${method} ${path}: ${why}`)
    await sleep(wait)
  }
}

const pathOf = stream => `/streams/${encodeURIComponent(stream)}/events`

// All events of a stream, and the revision of the last one, or 'no_stream'.
async function load (stream) {
  const events = []
  for (let from = 0; from !== undefined;) {
    const { status, body } = await call('GET', `${pathOf(stream)}?from=${from}`)
    if (status === 404) break
    if (status !== 200) throw new Error(`${stream}: ${body.detail}`)
    events.push(...body.events)
    from = body.next
  }
  return { events, revision: events.length > 0 ? events[events.length - 1].revision : 'no_stream' }
}

// Loads the stream, asks `command` what shall happen (a list of events, or nothing), appends it if nobody else was quicker;
// if somebody was, loads again and decides again. Says whether something was appended.
async function decide (stream, command) {
  for (;;) {
    const { events, revision } = await load(stream)
    const wanted = command(events)
    if (!wanted || wanted.length === 0) return false
    if (thinkMs > 0) await sleep(Math.random() * thinkMs)
    const { status, body } = await call('POST', pathOf(stream), { expected: revision, events: wanted })
    if (status === 201 || status === 200) return true
    if (body.code === 'event-id-reused') return false // this command was decided before
    if (body.code !== 'revision-conflict' && body.code !== 'partial-duplicate') throw new Error(`${stream}: ${body.detail}`)
  }
}

// ---- Reading with a Kafka client ----

// What is about this event and no other: its data is not what its type promises (anybody may append anything, and data may be
// redacted). It would be the same the next time, and what comes behind it would wait for ever.
const unreadable = err => err instanceof TypeError

// Calls handle(event, topic) for each event; the offset is committed after it returned. So each event is handled at
// least once, and a repetition makes the same ids. One that handle cannot read is named on standard error and passed over.
async function consume (kafka, groupId, topics, handle, options = {}) {
  let stopped = false
  let consumer

  async function begin () {
    consumer = kafka.consumer({ groupId, sessionTimeout: 6000, rebalanceTimeout: 6000, maxWaitTimeInMs: 200 })
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) again(payload.error) // kafkajs gives up when it finds no coordinator for a while; we do not
    })
    await consumer.connect()
    await consumer.subscribe({ topics, fromBeginning: options.fromBeginning !== false })
    await consumer.run({
      autoCommit: options.commit !== false,
      autoCommitInterval: 1000,
      partitionsConsumedConcurrently: options.commit === false ? 1 : 3,
      eachMessage: async ({ topic, partition, message }) => {
        const event = parse(message)
        if (!event) return
        try {
          await handle(event, topic, { partition, offset: Number(message.offset) })
        } catch (err) {
          if (!unreadable(err)) throw err
          console.error(`${groupId}: ${event.type} ${event.id} of ${event.stream} is passed over: ${err.message}`)
        }
      }
    })
  }

  async function again (why) {
    console.error(`${groupId}: ${why.message}: once more`)
    await consumer.disconnect().catch(() => {})
    await sleep(500)
    if (!stopped) await begin().catch(again)
  }

  await begin().catch(again)
  return {
    disconnect: async () => {
      stopped = true
      await consumer.disconnect()
    }
  }
}

// Runs `stop` once on Ctrl-C or SIGTERM, then ends with status 0.
function onStop (stop) {
  let stopping = false
  const end = async () => {
    if (stopping) return
    stopping = true
    setTimeout(() => process.exit(1), 5000).unref()
    try { await stop() } finally { process.exit(0) }
  }
  process.on('SIGINT', end)
  process.on('SIGTERM', end)
}

module.exports = { api, connect, idFrom, caused, first, parse, call, load, decide, consume, onStop, sleep }
