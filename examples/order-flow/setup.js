// Creates what the example needs, if it is not there: the categories of streams, a topic for notifications, the products.
// Every append has an id of its own and expects a new stream, so a second start changes nothing.
'use strict'

const { connect, call, idFrom } = require('./lib/flow')
const { PRODUCTS } = require('./lib/catalog')

async function main () {
  for (const category of ['order', 'customer', 'product']) {
    const { status, body } = await call('PUT', `/categories/${category}`, { partitions: 3 })
    if (status >= 300) throw new Error(body.detail)
  }
  for (const [sku, name, price, quantity] of PRODUCTS) {
    const { status, body } = await call('POST', `/streams/product-${sku}/events`, {
      expected: 'no_stream',
      events: [{ id: idFrom(sku, 'add'), type: 'ProductAdded', data: { name, price, quantity } }]
    })
    if (status >= 300) throw new Error(body.detail)
  }
  const admin = connect('order-flow').admin()
  await admin.connect()
  if (!(await admin.listTopics()).includes('notifications')) {
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic: 'notifications', numPartitions: 3, replicationFactor: 1 }] })
  }
  await admin.disconnect()
}

main().catch(err => { console.error(`setup: ${err.message}`); process.exit(1) })
