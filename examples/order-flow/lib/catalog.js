// What the shop sells, and to whom.
'use strict'

module.exports = {
  // sku, name, price in cents, how many there are at the beginning
  PRODUCTS: [
    ['teapot', 'Teapot', 2400, 30], ['kettle', 'Kettle', 3900, 30], ['cup', 'Cup', 700, 60], ['tray', 'Tray', 1500, 30],
    ['moon-lamp', 'Moon lamp', 8800, 2] // and no more
  ],
  // id, name, region
  CUSTOMERS: [
    ['ada', 'Ada Byron', 'north'], ['grace', 'Grace Hopper', 'west'], ['alan', 'Alan Turing', 'south'],
    ['edsger', 'Edsger Dijkstra', 'east'], ['barbara', 'Barbara Liskov', 'west'], ['tony', 'Tony Hoare', 'south']
  ],
  RENAMED: ['ada', 'Ada Lovelace']
}
