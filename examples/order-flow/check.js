// Says whether the flow is right: waits until every order is shipped or cancelled, reads the whole log, folds it by hand, and
// compares. Each order was decided once, no goods are sold twice, every reservation and payment of a cancelled order
// was given back, every customer was told; and the four views show what the fold says. Exits with 1 if not.
'use strict'

const assert = require('assert')
const { connect, call, consume, idFrom, sleep } = require('./lib/flow')
const { VIEWS, foldAll, byKey } = require('./lib/fold')

const COMMANDS = ['reserve', 'release', 'ship', 'goods', 'pay', 'refund', 'confirm', 'cancel']
const PATIENCE_MS = Number(process.env.CHECK_SECONDS || 20) * 1000 // how long nothing may happen; in all, ten times as long

// Asks again and again until look() says { done }, or its { progress } has not changed for too long: slow is not stuck.
async function patiently (look) {
  const gaveUp = Date.now() + 10 * PATIENCE_MS
  let before
  for (let ends = 0; ;) {
    const { done, progress } = await look()
    const now = Date.now()
    if (progress !== before) ends = Math.min(now + PATIENCE_MS, gaveUp)
    if (done || now > ends) return
    before = progress
    await sleep(200)
  }
}

// Reads what is new in the log.
async function readOn (log) {
  for (;;) {
    const { status, body } = await call('GET', `/events?limit=5000&from=${log.position}`)
    if (status !== 200) throw new Error(body.detail)
    log.events.push(...body.events.map(e => ({ ...e, data: e.data || {} }))) // without data, or redacted
    log.position = body.next
    if (!body.more) return
  }
}

async function rowsOf (name, position) {
  const rows = []
  for (let cursor = ''; ;) {
    const { status, body } = await call('GET', `/views/${name}?limit=100&at_least=${position}&timeout=20s${cursor}`)
    if (status !== 200) throw new Error(`${name}: ${body.detail}`)
    rows.push(...body.rows)
    if (!body.next_cursor) return rows
    cursor = `&cursor=${encodeURIComponent(body.next_cursor)}`
  }
}

// What is still on its way.
function openOf ({ orders, products }) {
  const open = []
  for (const [id, s] of orders) {
    if (s.status !== 'shipped' && s.status !== 'cancelled') open.push(`order ${id} is ${s.status}`)
    if (s.status === 'cancelled' && s.money === 'paid') open.push(`order ${id}: its payment was not refunded`)
  }
  for (const [sku, p] of products) for (const id of p.held.keys()) open.push(`order ${id} holds ${sku}`)
  return open
}

function problemsOf (events, { orders, products }) {
  const problems = openOf({ orders, products })
  const seen = new Set()
  const byOrder = new Map()
  for (const e of events) {
    if (seen.has(`${e.stream}/${e.id}`)) problems.push(`${e.stream}: the id ${e.id} is there twice`)
    seen.add(`${e.stream}/${e.id}`)
    const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(e.id)
    if (uuid && e.causation_id && !COMMANDS.some(command => idFrom(e.causation_id, command) === e.id)) {
      problems.push(`${e.stream}: the id ${e.id} of ${e.type} does not follow from its cause`)
    }
    const id = e.stream.startsWith('order-') ? e.stream.slice(6) : e.data.order_id
    if (!byOrder.has(id)) byOrder.set(id, [])
    byOrder.get(id).push(e.type)
  }
  for (const [id, s] of orders) {
    const types = byOrder.get(id)
    const n = type => types.filter(t => t === type).length
    const say = text => problems.push(`order ${id}: ${text} (${types.join(' ')})`)
    for (const type of new Set(types)) if (n(type) > 1) say(`${n(type)} times ${type}`)
    if (n('OrderConfirmed') + n('OrderCancelled') !== 1) say('not decided once')
    if (n('OrderConfirmed') && !(n('GoodsReserved') && n('PaymentReceived'))) say('confirmed without goods or money')
    if (n('OrderConfirmed') !== n('StockShipped')) say('confirmed, but its goods did not leave')
    if (n('StockReserved') + n('StockRefused') !== 1) say('inventory did not answer once')
    if (n('OrderCancelled') && n('PaymentReceived') !== n('PaymentRefunded')) say('the money was not given back')
  }
  for (const [sku, p] of products) if (p.available < 0) problems.push(`product ${sku}: sold ${-p.available} that were not there`)
  return problems
}

function compare (name, rows, wanted, keys) {
  const problems = []
  const got = byKey(rows, keys)
  for (const key of new Set([...got.keys(), ...wanted.keys()])) {
    try {
      assert.deepStrictEqual(got.get(key), wanted.get(key) && { ...wanted.get(key) })
    } catch (err) {
      problems.push(`view ${name}, ${key}: it shows ${JSON.stringify(got.get(key))}, the log says ${JSON.stringify(wanted.get(key))}`)
    }
  }
  if (rows.length !== got.size) problems.push(`view ${name}: a key is there twice`)
  return problems
}

// Order id -> texts, read with a Kafka client from the ordinary topic; done when everybody was told or nobody is told any more.
async function notified (orders) {
  const told = new Map()
  const seen = new Set()
  const group = `check-${process.pid}`
  const kafka = connect('check')
  const enough = () => [...orders.keys()].every(id => told.has(id) && told.get(id).length >= 2)
  const consumer = await consume(kafka, group, ['notifications'], event => {
    const id = event.data.order_id
    if (seen.has(event.id)) return
    seen.add(event.id)
    told.set(id, [...(told.get(id) || []), event.data.text])
  }, { commit: false })
  await patiently(() => ({ done: enough(), progress: seen.size }))
  await consumer.disconnect()
  const admin = kafka.admin()
  await admin.connect()
  await admin.deleteGroups([group]).catch(() => {})
  await admin.disconnect()
  return [...orders.keys()].filter(id => (told.get(id) || []).length !== 2).map(id => `order ${id}: told ${JSON.stringify(told.get(id) || [])}`)
}

async function main () {
  const log = { events: [], position: 'start' }
  let folded
  await patiently(async () => {
    await readOn(log)
    folded = foldAll(log.events)
    return { done: openOf(folded).length === 0, progress: log.events.length }
  })
  const problems = problemsOf(log.events, folded)
  const { body: { views } } = await call('GET', '/views')
  let compared = 0
  for (const name of VIEWS) {
    const view = views.find(v => v.name === name)
    if (!view) { problems.push(`there is no view ${name}`); continue }
    const rows = await rowsOf(name, log.position)
    compared += rows.length
    problems.push(...compare(name, rows, folded.views[name], view.key))
  }
  problems.push(...await notified(folded.orders))
  const count = status => [...folded.orders.values()].filter(s => s.status === status).length
  console.log(`${folded.orders.size} placed, ${count('shipped')} shipped, ${count('cancelled')} cancelled; ` +
    `${log.events.length} events, ${compared} rows of ${VIEWS.length} views compared with them`)
  for (const p of problems.slice(0, 20)) console.log(`PROBLEM ${p}`)
  const good = problems.length === 0 && folded.orders.size > 0
  console.log(good ? 'the flow is right' : `${problems.length} problems`)
  process.exit(good ? 0 : 1)
}

main().catch(err => { console.error(`check: ${err.message}`); process.exit(1) })
