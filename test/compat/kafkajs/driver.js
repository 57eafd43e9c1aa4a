'use strict'
// Runs the compatibility scenarios with kafkajs.

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'
const { Facts, Setting } = require('./basics')

const scenarios = { ...require('./producing'), ...require('./consuming'), ...require('./administration'), ...require('./events') }

async function main () {
  const options = {}
  const names = []
  const args = process.argv.slice(2)
  while (args.length) {
    const word = args.shift()
    if (word.startsWith('--')) options[word.slice(2)] = args.shift()
    else names.push(word)
  }
  const setting = new Setting(options)
  for (const name of names) {
    const facts = new Facts(name)
    facts.say({ start: true })
    try {
      await scenarios[name](setting, facts)
    } catch (problem) {
      console.error(problem)
      facts.say({ error: String(problem) })
    }
    facts.say({ done: true })
  }
}

process.on('unhandledRejection', problem => console.error('unhandled', problem))
main().then(() => process.exit(0))
