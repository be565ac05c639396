/**
 * The replica of checkpoints.bench.ts: a replica of one in the folder that it is told, with a client port. Sends to its
 * parent: when it listens, each checkpoint with its time, and, when asked, the longest turn since the last question.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { serveClients } from '../src/http/index.ts'
import { KeyValueStore } from '../src/machine/key-value.ts'
import { Replica } from '../src/node/replica.ts'

const [data, peerPort, clientPort] = process.argv.slice(2)

const say = (message: object) => process.send?.(message)
const startedAt = performance.now()
const cpuBefore = process.cpuUsage()
const replica = await Replica.create({
  id: 0,
  peers: [`127.0.0.1:${peerPort}`],
  data: data as string,
  machine: new KeyValueStore(),
  logger: {
    info: (fields, message) => {
      if (message === 'checkpoint taken') say({ ...fields, at: Date.now(), kind: 'checkpoint' })
    },
    warn: () => {},
    error: (_, message) => console.error(message),
  },
})
await serveClients(replica, { host: '127.0.0.1', port: Number(clientPort) })
await replica.start()
while (replica.notReady !== null) await new Promise((done) => setTimeout(done, 1))
const { user, system } = process.cpuUsage(cpuBefore)
say({ kind: 'ready', ms: performance.now() - startedAt, cpuMs: (user + system) / 1000 })

const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
process.on('message', () => {
  say({ kind: 'turns', longestMs: delay.max / 1e6 - 1, p999Ms: delay.percentile(99.9) / 1e6 - 1 })
  delay.reset()
})
