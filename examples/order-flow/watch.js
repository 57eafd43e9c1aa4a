// Shows every event as it happens, with counts.
'use strict'

const { connect, consume, onStop } = require('./lib/flow')

const TOPICS = ['es.order', 'es.product', 'es.customer', 'notifications']
const color = process.stdout.isTTY && !process.env.NO_COLOR
const paint = (code, text) => color ? `\x1b[${code}m${text}\x1b[0m` : text
const COLORS = { 'es.order': 36, 'es.product': 33, 'es.customer': 35, notifications: 90 }

const counts = {}
const seen = new Set()

function count (event) {
  if (seen.has(event.id)) return false // a notification that was sent again after a restart
  seen.add(event.id)
  if (seen.size > 100000) seen.delete(seen.values().next().value)
  counts[event.type] = (counts[event.type] || 0) + 1
  return true
}

function summary () {
  const n = type => counts[type] || 0
  return `${n('OrderPlaced')} placed, ${n('OrderConfirmed')} confirmed, ${n('OrderShipped')} shipped, ${n('OrderCancelled')} cancelled` +
    ` (${n('StockReleased')} released, ${n('PaymentRefunded')} refunded), ${n('CustomerNotified')} told`
}

function show (topic, event) {
  const d = event.data || {} // it may have been redacted
  const what = [d.order_id, d.name, d.quantity && `${d.quantity} x ${d.sku || event.stream.replace('product-', '')}`,
    d.amount && `${(d.amount / 100).toFixed(2)}`, d.reason, d.text].filter(Boolean).join(', ')
  const time = event.time ? event.time.slice(11, 23) : '            '
  console.log(`${paint(90, time)}  ${paint(COLORS[topic], event.type.padEnd(18))} ${event.stream.padEnd(19)} ${what}`)
}

async function watch () {
  const group = `watch-${process.pid}`
  const kafka = connect('watch')
  const consumer = await consume(kafka, group, TOPICS, (event, topic) => {
    if (count(event)) show(topic, event)
  }, { fromBeginning: false, commit: false })
  const timer = setInterval(() => console.log(paint(1, `-- so far: ${summary()}`)), 10000)
  onStop(async () => {
    clearInterval(timer)
    console.log(paint(1, `-- in all: ${summary()}`))
    await consumer.disconnect()
    const admin = kafka.admin() // a group that nobody will join again is only in the way of `leat group lag`
    await admin.connect()
    await admin.deleteGroups([group]).catch(() => {}) // it goes by itself, later
    await admin.disconnect()
  })
}

watch().catch(err => { console.error(`watch: ${err.message}`); process.exit(1) })
