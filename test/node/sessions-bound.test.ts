import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { CommandError } from '../../src/errors.ts'
import { SESSION_LIMITS } from '../../src/execution/sweep.ts'
import { readTransactionResult } from '../../src/machine/command-results.ts'
import { getCommand, putCommand, transactionCommand } from '../../src/machine/commands.ts'
import { Replicas } from '../support/replicas.ts'
import { until } from '../support/until.ts'

const test = suite('the bound on what sessions keep')

const SESSIONS = 176
const READS = 3

test('176 sessions with 3 MiB of results each stay within the bound, and the status is quick', async () => {
  const replicas = await Replicas.open({ requestTimeoutMs: 10_000 })
  try {
    const value = new Uint8Array(1 << 20)
    await replicas.replica(0).propose(putCommand('v', value))
    const then = [{ increment: 'n' }, ...Array.from({ length: READS }, () => ({ get: 'v' }))]
    const propose = (i: number) => {
      return replicas
        .replica(i % 3)
        .propose(transactionCommand({ then }), { session: `s${i}`, first: 1, acknowledged: 0 })
    }
    for (let i = 0; i < SESSIONS; i++) {
      assert.is(readTransactionResult(await propose(i)).results.length, 1 + READS)
      const { bytes } = replicas.replica(0).status().sessions
      assert.ok(bytes <= SESSION_LIMITS.bytes, `${bytes} bytes after ${i + 1} sessions`)
    }
    const before = performance.now()
    const { sessions } = replicas.replica(1).status()
    const tookMs = performance.now() - before
    assert.ok(tookMs < 50, `the status took ${tookMs} ms`)
    assert.equal([sessions.open, sessions.numbers], [SESSIONS, SESSIONS])

    // A request whose result is gone is not done again, and says so; one whose result is kept is told again.
    const gone = await propose(0).catch((error: CommandError) => error)
    assert.equal([(gone as CommandError).code, (gone as CommandError).outcome], ['result_gone', 'unknown'])
    assert.is(readTransactionResult((await propose(SESSIONS - 1)) as Uint8Array).results.length, 1 + READS)
    const count = await replicas.replica(2).propose(getCommand('n'))
    assert.is(Buffer.from(count.subarray(1)).toString(), String(SESSIONS))
    const hashes = () => new Set([0, 1, 2].map((id) => replicas.replica(id).status().stateHash))
    await until(() => hashes().size === 1, 'equal states')
  } finally {
    await replicas.close()
  }
})

test.run()
