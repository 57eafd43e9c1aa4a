// The payment service: takes the money for an order, gives it back when the order is cancelled after all.
'use strict'

const { connect, producer, consume, nextEvent, onStop } = require('./lib/flow')

async function main () {
  const kafka = connect('payment-service')
  const out = await producer(kafka)
  const consumer = await consume(kafka, 'payment-service', ['orders'], async event => {
    const { orderId, amount } = event.data
    if (event.eventType === 'order.placed') {
      const declined = event.data.card.endsWith('0002') // the card that every test shop declines
      await out.publish('payments', declined
        ? nextEvent('payment-service', 'payment.failed', event, { orderId, amount, reason: 'card declined' })
        : nextEvent('payment-service', 'payment.completed', event, { orderId, amount }))
    } else if (event.eventType === 'order.cancelled' && event.data.paid) {
      await out.publish('payments', nextEvent('payment-service', 'payment.refunded', event, { orderId, amount }))
    }
  })
  onStop(async () => {
    await consumer.disconnect()
    await out.close()
  })
}

main().catch(err => { console.error(`payment-service: ${err.message}`); process.exit(1) })
