// The read models once more, made by hand: what the four projections must show, as a fold of the events. It shares nothing
// with them, so that one can be held against the other.
'use strict'

const { stateOf } = require('./order')

const VIEWS = ['order_details_view', 'customer_order_history', 'daily_sales_summary', 'product_inventory_view', 'customers']

// Events in the order of the log -> { orders: id -> state, products: sku -> state, views: name -> rows by key }
function foldAll (events) {
  const streams = new Map()
  for (const e of events) {
    if (!streams.has(e.stream)) streams.set(e.stream, [])
    streams.get(e.stream).push(e)
  }
  const of = category => [...streams].filter(([s]) => s.startsWith(`${category}-`)).map(([s, es]) => [s.slice(category.length + 1), es])
  const customers = new Map(of('customer').map(([id, es]) => [id, customerOf(id, es)]))
  const orders = new Map(of('order').map(([id, es]) => [id, stateOf(es)]))
  const products = new Map(of('product').map(([sku, es]) => [sku, productOf(sku, es)]))
  const details = []
  const history = []
  const days = new Map()
  for (const [id, es] of of('order')) {
    const s = orders.get(id)
    const at = type => (es.find(e => e.type === type) || { time: null }).time
    const common = { order_id: id, customer_id: s.customer_id, sku: s.sku, quantity: s.quantity, amount: s.amount, placed_at: at('OrderPlaced') }
    details.push({
      ...common,
      customer_name: customers.has(s.customer_id) ? customers.get(s.customer_id).name : null,
      region: s.region,
      status: s.status,
      payment: s.money || 'open',
      reason: (es.find(e => e.type === 'OrderCancelled') || { data: { reason: null } }).data.reason,
      revision: es[es.length - 1].revision
    })
    const closed = s.status === 'shipped' || s.status === 'cancelled'
    history.push({ ...common, outcome: closed ? s.status : 'open', closed_at: at('OrderShipped') || at('OrderCancelled') })
    const sale = es.find(e => e.type === 'OrderConfirmed')
    if (sale) addSale(days, sale)
  }
  return {
    orders,
    products,
    views: {
      order_details_view: byKey(details, ['order_id']),
      customer_order_history: byKey(history, ['customer_id', 'order_id']),
      daily_sales_summary: byKey([...days.values()], ['day', 'region']),
      product_inventory_view: byKey([...products.values()].map(({ held, ...row }) => row), ['sku']),
      customers: byKey([...customers.values()], ['customer_id'])
    }
  }
}

function addSale (days, { time, data }) {
  const day = time.slice(0, 10)
  const key = `${day}/${data.region}`
  const row = days.get(key) || { day, region: data.region, orders: 0, revenue: 0, average: 0 }
  row.orders += 1
  row.revenue += data.amount
  row.average = row.revenue / row.orders
  days.set(key, row)
}

function customerOf (id, events) {
  const row = { customer_id: id, name: null, region: null }
  for (const { type, data } of events) {
    if (type === 'CustomerRegistered') Object.assign(row, data)
    if (type === 'CustomerRenamed') row.name = data.name
  }
  return row
}

function productOf (sku, events) {
  const p = { sku, name: null, price: null, available: 0, reserved: 0, shipped: 0, refused: 0, held: new Map() }
  for (const { type, data } of events) {
    const n = data.quantity
    if (type === 'ProductAdded') { p.name = data.name; p.price = data.price; p.available += n }
    if (type === 'StockReserved') { p.available -= n; p.reserved += n; p.held.set(data.order_id, n) }
    if (type === 'StockRefused') p.refused += 1
    if (type === 'StockReleased') { p.available += n; p.reserved -= n; p.held.delete(data.order_id) }
    if (type === 'StockShipped') { p.reserved -= n; p.shipped += n; p.held.delete(data.order_id) }
  }
  return p
}

const byKey = (rows, key) => new Map(rows.map(row => [key.map(k => row[k]).join('/'), row]))

module.exports = { VIEWS, foldAll, byKey }
