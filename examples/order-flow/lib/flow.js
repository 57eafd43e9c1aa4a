// What the JavaScript services share: the envelope of an event, a producer that never doubles, a consumer loop.
//
// An event is one Kafka record: key = order id (so all events of an order are in order), value = the envelope as JSON.
// Its id is made from the event that caused it, so a service that is killed and does its work again makes the
// same id again, and whoever reads can tell a repetition.
'use strict'

const crypto = require('crypto')
const { Kafka, Partitioners, logLevel } = require('kafkajs')

const TOPICS = ['orders', 'inventory', 'payments', 'notifications']
const bootstrap = process.env.LEAT_BOOTSTRAP || '127.0.0.1:9092'

function connect (name) {
  return new Kafka({
    clientId: name,
    brokers: bootstrap.split(','),
    logLevel: logLevel.ERROR,
    retry: { retries: 20, initialRetryTime: 100, maxRetryTime: 2000 }
  })
}

// A name-based UUID (version 8: our own scheme) of what caused the event and what it is.
function eventId (causeId, type) {
  const h = crypto.createHash('sha256').update(`${causeId}/${type}`).digest()
  h[6] = (h[6] & 0x0f) | 0x80
  h[8] = (h[8] & 0x3f) | 0x80
  const s = h.toString('hex')
  return `${s.slice(0, 8)}-${s.slice(8, 12)}-${s.slice(12, 16)}-${s.slice(16, 20)}-${s.slice(20, 32)}`
}

// The first event of a flow has no cause: its id is random and is the correlation id of all that follows.
function firstEvent (source, type, data) {
  const id = crypto.randomUUID()
  return envelope(id, source, type, id, null, data)
}

function nextEvent (source, type, cause, data) {
  return envelope(eventId(cause.eventId, type), source, type, cause.correlationId, cause.eventId, data)
}

function envelope (id, source, type, correlationId, causationId, data) {
  return {
    eventId: id,
    eventType: type,
    eventVersion: 1,
    timestamp: new Date().toISOString(),
    source,
    correlationId,
    causationId,
    data
  }
}

// A record's value as an event, or null if it is not one (then it is named on standard error and passed over).
function parse (message) {
  try {
    const e = JSON.parse(message.value.toString())
    if (e.eventId && e.eventType && e.correlationId && e.data && e.data.orderId) return e
  } catch (err) { /* named below */ }
  console.error(`not an event: key=${message.key} offset=${message.offset}`)
  return null
}

async function producer (kafka) {
  const p = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner
  })
  await p.connect()
  return {
    publish: (topic, event) => p.send({
      topic,
      acks: -1,
      messages: [{
        key: event.data.orderId,
        value: JSON.stringify(event),
        headers: { 'content-type': 'application/json' }
      }]
    }),
    close: () => p.disconnect()
  }
}

// Calls handle(event, topic) for each event; the offset is committed after it returned. So each event is handled at
// least once, and a repetition makes the same ids.
async function consume (kafka, groupId, topics, handle, options = {}) {
  const c = kafka.consumer({ groupId, sessionTimeout: 10000, maxWaitTimeInMs: 500 })
  await c.connect()
  await c.subscribe({ topics, fromBeginning: true })
  await c.run({
    autoCommit: options.commit !== false,
    autoCommitInterval: 1000,
    eachMessage: async ({ topic, partition, message }) => {
      const event = parse(message)
      if (event) await handle(event, topic, { partition, offset: Number(message.offset) })
    }
  })
  return c
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

module.exports = { TOPICS, connect, firstEvent, nextEvent, parse, producer, consume, onStop }
