// The order service: waits for inventory's and payment's answers to an order and joins them into order.confirmed or
// order.cancelled.
//
// Its state (which orders are open, which answers have come) is nothing but the events: at every start it reads them
// from the beginning and commits no offsets. A decision that is in the log already is never taken twice; one that was
// about to be taken when the service died is taken now, with the same event id.
'use strict'

const { connect, producer, consume, nextEvent, onStop } = require('./lib/flow')

const ANSWERS = {
  'inventory.reserved': ['inventory', true],
  'inventory.reservation_failed': ['inventory', false],
  'payment.completed': ['payment', true],
  'payment.failed': ['payment', false]
}

async function main () {
  const kafka = connect('order-service')
  const out = await producer(kafka)
  const orders = new Map() // order id -> { placed, inventory, payment, decided, event ids of the answers }

  function order (id) {
    if (!orders.has(id)) orders.set(id, {})
    return orders.get(id)
  }

  async function decide (id) {
    const o = order(id)
    if (!o.placed || !o.inventory || !o.payment || o.decided) return
    o.decided = true
    const ok = o.inventory.ok && o.payment.ok
    const reasons = []
    if (!o.inventory.ok) reasons.push(o.inventory.event.data.reason)
    if (!o.payment.ok) reasons.push(o.payment.event.data.reason)
    // Caused by the order itself, so that the id does not depend on which answer came last.
    await out.publish('orders', nextEvent('order-service', ok ? 'order.confirmed' : 'order.cancelled', o.placed, {
      orderId: id,
      customer: o.placed.data.customer,
      item: o.placed.data.item,
      quantity: o.placed.data.quantity,
      amount: o.placed.data.amount,
      reserved: o.inventory.ok,
      paid: o.payment.ok,
      ...(ok ? {} : { reason: reasons.join(' and ') })
    }))
    orders.set(id, { decided: true }) // the rest is not needed any more
  }

  // Events are read one at a time, but of three topics at once: a decision in the log may be read after the answers that led
  // to it. So deciding waits until everything that was there at the start has been read.
  let caughtUp = false
  const ends = await endOffsets(kafka, ['orders', 'inventory', 'payments'])
  const waiting = new Set(ends.keys())

  const consumer = await consume(kafka, 'order-service', ['orders', 'inventory', 'payments'], async (event, topic, at) => {
    const id = event.data.orderId
    const o = order(id)
    if (event.eventType === 'order.placed') o.placed = event
    else if (event.eventType === 'order.confirmed' || event.eventType === 'order.cancelled') o.decided = true
    else if (ANSWERS[event.eventType]) {
      const [who, ok] = ANSWERS[event.eventType]
      o[who] = { ok, event }
    }
    if (!caughtUp) {
      const key = `${topic}/${at.partition}`
      if (waiting.has(key) && at.offset + 1 >= ends.get(key)) waiting.delete(key)
      if (waiting.size > 0) return
      caughtUp = true
      for (const open of orders.keys()) await decide(open)
      return
    }
    await decide(id)
  }, { commit: false })
  if (waiting.size === 0) caughtUp = true

  onStop(async () => {
    await consumer.disconnect()
    await out.close()
  })
}

// topic/partition -> end offset, of those partitions that are not empty
async function endOffsets (kafka, topics) {
  const admin = kafka.admin()
  await admin.connect()
  const ends = new Map()
  for (const topic of topics) {
    for (const p of await admin.fetchTopicOffsets(topic)) {
      if (Number(p.high) > Number(p.low)) ends.set(`${topic}/${p.partition}`, Number(p.high))
    }
  }
  await admin.disconnect()
  return ends
}

main().catch(err => { console.error(`order-service: ${err.message}`); process.exit(1) })
