// One order: its state as a fold of its events, and the commands on it. A command looks at the events and answers with
// those that shall follow; it does nothing else, so it can be asked again when somebody else was quicker.
'use strict'

const { caused } = require('./flow')

function stateOf (events) {
  const s = { status: 'none', goods: null, money: null }
  for (const { type, id, correlation_id, data } of events) {
    switch (type) {
      case 'OrderPlaced': Object.assign(s, data, { status: 'placed', placed: { id, correlation_id } }); break
      case 'GoodsReserved': s.goods = 'reserved'; break
      case 'GoodsRefused': s.goods = 'refused'; break
      case 'PaymentReceived': s.money = 'paid'; break
      case 'PaymentDeclined': s.money = 'declined'; break
      case 'PaymentRefunded': s.money = 'refunded'; break
      case 'OrderConfirmed': s.status = 'confirmed'; break
      case 'OrderShipped': s.status = 'shipped'; break
      case 'OrderCancelled': s.status = 'cancelled'; break
    }
  }
  return s
}

// What later readers need without looking anything up.
const facts = s => ({ customer_id: s.customer_id, sku: s.sku, quantity: s.quantity, amount: s.amount, region: s.region })

// Confirming has one id for an order, whichever answer came last.
const confirmed = s => caused(s.placed, 'confirm', 'OrderConfirmed', facts(s))

// Inventory has answered. With the money there already, the order is confirmed in the same step.
const goodsReserved = cause => events => {
  const s = stateOf(events)
  if (s.status !== 'placed' || s.goods) return []
  const answer = caused(cause, 'goods', 'GoodsReserved', { sku: s.sku, quantity: s.quantity })
  return s.money === 'paid' ? [answer, confirmed(s)] : [answer]
}
const goodsRefused = cause => events => {
  const s = stateOf(events)
  if (s.status !== 'placed' || s.goods) return []
  return [caused(cause, 'goods', 'GoodsRefused', { sku: s.sku, quantity: s.quantity }), cancelled(cause, s, 'sold out')]
}

// The money is there: with the goods there too, the order is confirmed.
const confirm = () => events => {
  const s = stateOf(events)
  return s.status === 'placed' && s.goods === 'reserved' && s.money === 'paid' ? [confirmed(s)] : []
}

const cancelled = (cause, s, reason) => caused(cause, 'cancel', 'OrderCancelled', { ...facts(s), reason })
// Only what is not confirmed yet can be cancelled. Without a cause it is the customer's own wish.
const cancel = (cause, reason) => events => {
  const s = stateOf(events)
  return s.status === 'placed' ? [cancelled(cause || s.placed, s, reason)] : []
}

const ship = cause => events => {
  const s = stateOf(events)
  return s.status === 'confirmed' ? [caused(cause, 'ship', 'OrderShipped', facts(s))] : []
}

// The payment service: takes the money of an order that is still open, gives it back when it was cancelled after all.
const pay = cause => events => {
  const s = stateOf(events)
  if (s.status !== 'placed' || s.money) return []
  return String(s.card).endsWith('0002') // the card that every test shop declines
    ? [caused(cause, 'pay', 'PaymentDeclined', { amount: s.amount, reason: 'card declined' })]
    : [caused(cause, 'pay', 'PaymentReceived', { amount: s.amount })]
}
const refund = cause => events => {
  const s = stateOf(events)
  return s.status === 'cancelled' && s.money === 'paid' ? [caused(cause, 'refund', 'PaymentRefunded', { amount: s.amount })] : []
}

module.exports = { stateOf, goodsReserved, goodsRefused, confirm, cancel, ship, pay, refund }
