// Shows every event as it happens, with counts. `watch.js --check` instead reads everything that is there and says whether the
// flow is right: each order decided once, every reservation of a cancelled order released, every payment of one
// refunded, every customer told; exits with 1 if not.
'use strict'

const { TOPICS, connect, parse, onStop } = require('./lib/flow')

const color = process.stdout.isTTY && !process.env.NO_COLOR
const paint = (code, text) => color ? `\x1b[${code}m${text}\x1b[0m` : text
const COLORS = { orders: 36, inventory: 33, payments: 35, notifications: 90 }

const counts = {}
const seen = new Set()

function count (event) {
  if (seen.has(event.eventId)) return false // done again after a restart: the same event
  seen.add(event.eventId)
  if (seen.size > 100000) seen.delete(seen.values().next().value)
  counts[event.eventType] = (counts[event.eventType] || 0) + 1
  return true
}

function summary () {
  const n = type => counts[type] || 0
  return `${n('order.placed')} placed, ${n('order.confirmed')} confirmed, ${n('order.cancelled')} cancelled` +
    ` (${n('inventory.released')} released, ${n('payment.refunded')} refunded), ${n('notification.sent')} told`
}

function show (topic, event) {
  const d = event.data
  const what = [d.item && `${d.quantity} x ${d.item}`, d.amount && `${(d.amount / 100).toFixed(2)}`, d.reason, d.text]
    .filter(Boolean).join(', ')
  const time = event.timestamp.slice(11, 23)
  console.log(`${paint(90, time)}  ${paint(COLORS[topic], event.eventType.padEnd(28))} ${d.orderId.padEnd(14)} ${what}`)
}

async function read (groupId, fromBeginning, each) {
  const consumer = connect('watch').consumer({ groupId, maxWaitTimeInMs: 200 })
  await consumer.connect()
  await consumer.subscribe({ topics: TOPICS, fromBeginning })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ topic, partition, message }) => each(topic, partition, message)
  })
  return consumer
}

// A group that nobody will join again is only in the way of `leat group lag`.
async function leave (consumer, groupId) {
  await consumer.disconnect()
  const admin = connect('watch').admin()
  await admin.connect()
  await admin.deleteGroups([groupId]).catch(() => {}) // it goes by itself, later
  await admin.disconnect()
}

async function watch () {
  const group = `watch-${process.pid}`
  const consumer = await read(group, false, (topic, partition, message) => {
    const event = parse(message)
    if (event && count(event)) show(topic, event)
  })
  const timer = setInterval(() => console.log(paint(1, `-- so far: ${summary()}`)), 10000)
  onStop(async () => {
    clearInterval(timer)
    console.log(paint(1, `-- in all: ${summary()}`))
    await leave(consumer, group)
  })
}

function problemsOf (orders) {
  const problems = []
  for (const [id, events] of orders) {
    const has = type => events.has(type)
    const say = text => problems.push(`order ${id}: ${text}`)
    if (!has('order.placed')) { say('was never placed'); continue }
    const confirmed = has('order.confirmed')
    const cancelled = has('order.cancelled')
    if (confirmed === cancelled) say(confirmed ? 'confirmed and cancelled' : 'not decided')
    if (confirmed && !(has('inventory.reserved') && has('payment.completed'))) say('confirmed without goods or money')
    if (cancelled && has('inventory.reserved') && !has('inventory.released')) say('its reservation was not released')
    if (cancelled && has('payment.completed') && !has('payment.refunded')) say('its payment was not refunded')
    if (confirmed && (has('inventory.released') || has('payment.refunded'))) say('undone although confirmed')
    if (events.get('notification.sent') !== 2) say(`the customer was told ${events.get('notification.sent') || 0} times, not 2`)
  }
  return problems
}

async function check () {
  const admin = connect('watch').admin()
  await admin.connect()
  const waiting = new Map()
  for (const topic of TOPICS) {
    for (const p of await admin.fetchTopicOffsets(topic)) {
      if (Number(p.high) > Number(p.low)) waiting.set(`${topic}/${p.partition}`, Number(p.high))
    }
  }
  await admin.disconnect()
  const orders = new Map()
  const group = `check-${process.pid}`
  let consumer
  await new Promise((resolve, reject) => {
    if (waiting.size === 0) { resolve(); return }
    setTimeout(() => reject(new Error('could not read everything within 30 s')), 30000).unref()
    read(group, true, (topic, partition, message) => {
      const event = parse(message)
      if (event && count(event)) {
        const id = event.data.orderId
        if (!orders.has(id)) orders.set(id, new Map())
        const events = orders.get(id)
        events.set(event.eventType, (events.get(event.eventType) || 0) + 1)
      }
      const key = `${topic}/${partition}`
      if (waiting.has(key) && Number(message.offset) + 1 >= waiting.get(key)) waiting.delete(key)
      if (waiting.size === 0) resolve()
    }).then(reader => { consumer = reader }, reject)
  })
  if (consumer) await leave(consumer, group)
  const problems = problemsOf(orders)
  console.log(summary())
  for (const p of problems) console.log(`PROBLEM ${p}`)
  console.log(problems.length === 0 && orders.size > 0 ? 'the flow is right' : `${problems.length} problems`)
  process.exit(problems.length === 0 && orders.size > 0 ? 0 : 1)
}

(process.argv[2] === '--check' ? check() : watch()).catch(err => { console.error(`watch: ${err.message}`); process.exit(1) })
