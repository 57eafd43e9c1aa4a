// The order service: brings together what inventory and payment say about an order, and confirms, cancels or ships it.
//
// It keeps nothing, neither in memory nor on disk. Whatever happens, it loads the order, decides, and appends on condition that
// the order is still where it was. So any number of them may run, and a customer may cancel at any moment.
'use strict'

const { connect, decide, consume, onStop } = require('./lib/flow')
const order = require('./lib/order')

const REACTIONS = {
  // of a product
  StockReserved: event => [event.data.order_id, order.goodsReserved(event)],
  StockRefused: event => [event.data.order_id, order.goodsRefused(event)],
  StockShipped: event => [event.data.order_id, order.ship(event)],
  // of an order
  PaymentReceived: event => [event.stream.slice('order-'.length), order.confirm()],
  PaymentDeclined: event => [event.stream.slice('order-'.length), order.cancel(event, event.data.reason)]
}

async function main () {
  const consumer = await consume(connect('order-service'), 'order-service', ['es.order', 'es.product'], async event => {
    if (!REACTIONS[event.type]) return
    const [id, command] = REACTIONS[event.type](event)
    await decide(`order-${id}`, command)
  })
  onStop(() => consumer.disconnect())
}

main().catch(err => { console.error(`order-service: ${err.message}`); process.exit(1) })
