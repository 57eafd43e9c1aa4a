// The shop: customers register, place orders, change their minds; RATE orders a second (2), ORDERS of them (0: until it is
// stopped). SEED makes the same choices again.
'use strict'

const { call, decide, first, idFrom, onStop, sleep } = require('./lib/flow')
const { PRODUCTS, CUSTOMERS, RENAMED } = require('./lib/catalog')
const order = require('./lib/order')

const rate = Number(process.env.RATE || 2)
const limit = Number(process.env.ORDERS || 0)
let seed = Number(process.env.SEED || Date.now()) >>> 0

function random (n) { // 0 to n - 1 (mulberry32)
  seed = (seed + 0x6d2b79f5) >>> 0
  let t = Math.imul(seed ^ (seed >>> 15), seed | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) % n
}

async function append (stream, expected, event) {
  const { status, body } = await call('POST', `/streams/${stream}/events`, { expected, events: [event] })
  if (status >= 300) throw new Error(`${stream}: ${body.detail}`)
}

// Once in the life of the log, whenever it is tried: the id says so.
const register = ([id, name, region]) =>
  append(`customer-${id}`, 'any', { id: idFrom(id, 'register'), type: 'CustomerRegistered', data: { name, region } })

async function place (id) {
  const [sku, , price] = PRODUCTS[random(PRODUCTS.length)]
  const [customer, , region] = CUSTOMERS[random(CUSTOMERS.length)]
  const quantity = 1 + random(3)
  await append(`order-${id}`, 'no_stream', first('OrderPlaced', {
    customer_id: customer,
    region,
    sku,
    quantity,
    amount: price * quantity,
    card: random(7) === 0 ? '4000-0002' : '4242-4242'
  }))
}

// The customer changes her mind at any moment: the order may be anywhere by then, and confirmed is too late.
async function changeMind (id, after) {
  await sleep(after)
  await decide(`order-${id}`, order.cancel(null, 'the customer changed her mind'))
}

async function main () {
  let stopped = false
  const working = new Set()
  const keep = work => { working.add(work); work.finally(() => working.delete(work)).catch(fail) }
  onStop(async () => {
    stopped = true
    await Promise.allSettled(working)
  })
  const run = Date.now().toString(36)
  const [renamed, name] = RENAMED
  keep(Promise.all(CUSTOMERS.map(register)).then(() => // while the first orders come in already
    append(`customer-${renamed}`, 'any', { id: idFrom(renamed, 'rename'), type: 'CustomerRenamed', data: { name } })))
  for (let n = 1; !stopped && (limit === 0 || n <= limit); n++) {
    const id = `${run}-${n}`
    const changes = random(4) === 0
    const after = random(30)
    keep(place(id).then(() => changes && changeMind(id, after)))
    if (n % 20 === 0) {
      const [sku] = PRODUCTS[random(PRODUCTS.length - 1)]
      keep(append(`product-${sku}`, 'any', first('ProductAdded', { ...product(sku), quantity: 25 })))
    }
    await sleep(1000 / rate)
  }
  await Promise.all(working)
}

function product (sku) {
  const [, name, price] = PRODUCTS.find(p => p[0] === sku)
  return { name, price }
}

function fail (err) {
  console.error(`shop: ${err.message}`)
  process.exit(1)
}

main().catch(fail)
