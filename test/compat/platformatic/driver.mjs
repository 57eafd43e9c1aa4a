// Runs the compatibility scenarios with @platformatic/kafka.

import administration from './administration.mjs'
import { Facts, Setting } from './basics.mjs'
import consuming from './consuming.mjs'
import producing from './producing.mjs'

const scenarios = { ...producing, ...consuming, ...administration }
const options = {}
const names = []
const args = process.argv.slice(2)
while (args.length) {
  const word = args.shift()
  if (word.startsWith('--')) options[word.slice(2)] = args.shift()
  else names.push(word)
}
process.on('unhandledRejection', problem => console.error('unhandled', problem))
process.on('uncaughtException', problem => console.error('uncaught', problem))

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
process.exit(0)
