// The shop: places orders, RATE a second (2), ORDERS of them (0: until it is stopped).
'use strict'

const { connect, producer, firstEvent, onStop } = require('./lib/flow')

const ITEMS = [['teapot', 2400], ['kettle', 3900], ['cup', 700], ['tray', 1500], ['moon-lamp', 8800]]
const CUSTOMERS = ['ada', 'grace', 'alan', 'edsger', 'barbara', 'tony']
const rate = Number(process.env.RATE || 2)
const limit = Number(process.env.ORDERS || 0)

async function main () {
  const kafka = connect('shop')
  const out = await producer(kafka)
  let stopped = false
  const run = Date.now().toString(36)
  onStop(async () => {
    stopped = true
    await out.close()
  })
  for (let n = 1; !stopped && (limit === 0 || n <= limit); n++) {
    const [item, price] = ITEMS[Math.floor(Math.random() * ITEMS.length)]
    const quantity = 1 + Math.floor(Math.random() * 3)
    await out.publish('orders', firstEvent('shop', 'order.placed', {
      orderId: `${run}-${n}`,
      customer: CUSTOMERS[n % CUSTOMERS.length],
      item,
      quantity,
      amount: price * quantity,
      card: n % 7 === 0 ? '4000-0002' : '4242-4242'
    }))
    await new Promise(resolve => setTimeout(resolve, 1000 / rate))
  }
  if (!stopped) await out.close()
}

main().catch(err => { console.error(`shop: ${err.message}`); process.exit(1) })
