// Creates the topics of the example if they are not there, three partitions each.
'use strict'

const { TOPICS, connect } = require('./lib/flow')

async function main () {
  const admin = connect('order-flow').admin()
  await admin.connect()
  const there = await admin.listTopics()
  const missing = TOPICS.filter(topic => !there.includes(topic))
  await admin.createTopics({
    waitForLeaders: true,
    topics: missing.map(topic => ({ topic, numPartitions: 3, replicationFactor: 1 }))
  })
  await admin.disconnect()
}

main().catch(err => { console.error(`topics: ${err.message}`); process.exit(1) })
