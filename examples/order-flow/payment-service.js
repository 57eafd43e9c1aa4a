// The payment service: takes the money for an order, gives it back when the order is cancelled after all.
'use strict'

const { connect, decide, consume, onStop } = require('./lib/flow')
const order = require('./lib/order')

async function main () {
  const consumer = await consume(connect('payment-service'), 'payment-service', ['es.order'], async event => {
    if (event.type === 'OrderPlaced') await decide(event.stream, order.pay(event))
    if (event.type === 'OrderCancelled') await decide(event.stream, order.refund(event))
  })
  onStop(() => consumer.disconnect())
}

main().catch(err => { console.error(`payment-service: ${err.message}`); process.exit(1) })
