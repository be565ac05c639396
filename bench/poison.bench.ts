/**
 * What one message may cost: small groups whose commands read a value of 1 MiB again and again, sent to one of three
 * replicas. The longest answer of `GET /livez` while they are executed is about the longest turn of an event loop.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { ask } from '../src/cli/http/ask.ts'
import { Connection } from '../src/client/connection.ts'
import { encodeGroup } from '../src/execution/groups.ts'
import { getCommand, MAX_VALUE_BYTES, putCommand, transactionCommand } from '../src/machine/commands.ts'
import { startReplicas } from './replicas.ts'

/** Longer than the worst that was ever seen. */
const PATIENCE_MS = 300_000
const POLL_MS = 5

const read = { get: 'big' }
const transaction = transactionCommand({ then: [read, read, read, { put: 'k', value: '' }] })
const commands = {
  '8,000 transactions of three reads and a write': new Array<Uint8Array>(8000).fill(transaction),
  '20,000 reads': new Array<Uint8Array>(20_000).fill(getCommand('big')),
}

const subject = await startReplicas()
const rows: object[] = []
try {
  const connection = await Connection.open(subject.urls[0] as string, { silenceMs: PATIENCE_MS })
  const send = (...group: Uint8Array[]) =>
    new Promise<string>((resolve) => {
      connection.send(encodeGroup(group), (answer) => resolve(answer.outcome))
    })
  await send(putCommand('big', new Uint8Array(MAX_VALUE_BYTES)))
  for (const [name, group] of Object.entries(commands)) {
    const watches = subject.urls.map(watch)
    const startedAt = performance.now()
    const outcome = await send(...group)
    const answeredMs = performance.now() - startedAt
    while ((await send(putCommand('big', new Uint8Array(MAX_VALUE_BYTES)))) !== 'done') await pause(POLL_MS)
    const longest = await Promise.all(watches.map((end) => end()))
    rows.push({
      group: name,
      bytes: encodeGroup(group).length,
      outcome,
      'answered after ms': Math.round(answeredMs),
      'next write after ms': Math.round(performance.now() - startedAt),
      'longest silence ms': longest.map(Math.round).join(', '),
    })
  }
  connection.close()
} finally {
  await subject.end()
}
console.table(rows)

/**
 * Asks a replica again and again whether it lives; what is returned ends that, and resolves with the longest wait, in
 * ms.
 */
function watch(url: string): () => Promise<number> {
  let ended = false
  let longest = 0
  const watching = (async () => {
    while (!ended) {
      const askedAt = performance.now()
      await ask({ url, timeoutMs: PATIENCE_MS }, 'GET', '/livez')
      longest = Math.max(longest, performance.now() - askedAt)
      await pause(POLL_MS)
    }
  })()
  return async () => {
    ended = true
    await watching
    return longest
  }
}
