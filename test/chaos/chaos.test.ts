import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { check } from '../linearizability/checker.ts'
import { keyValueModel } from '../simulator/key-value-model.ts'
import { freshSeed } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { describe, runCampaign } from './campaign.ts'
import { hasSlowDisk } from './faults.ts'
import { type KeyValueOperation, readHistory } from './history-file.ts'

const test = suite('chaos')

const seed = freshSeed()
const FAULTS = ['killOne', 'cutOneWay', 'freeze', 'killAll', 'isolate', ...(hasSlowDisk ? ['slowDisk'] : [])]
if (!hasSlowDisk) console.log('skipped: no strace here, so no disk is slow')

test('what clients see under faults is linearizable; with one read altered it is not (scenario 26, 27)', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'epaxos-chaos-'))
  try {
    const options = { seed, folder, replicas: 3, faults: FAULTS, goOn: (rounds: number) => rounds < 1, say: () => {} }
    const summary = await runCampaign(options)
    console.log(`seed ${seed}: ${describe(summary)}`)
    assert.ok(summary.operations > 100 && summary.increments > 10, `seed ${seed}: hardly anything was done`)
    for (const file of readdirSync(folder)) judgeAltered(readHistory(join(folder, file)))
    volume('chaos operations', summary.operations)
    volume('chaos faults', FAULTS.length)
  } catch (error) {
    ;(error as Error).message += `\n(seed ${seed})`
    throw error
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

function judgeAltered(history: readonly KeyValueOperation[]): void {
  assert.ok(check(keyValueModel, history).linearizable, 'as the file has it')
  const isRead = ({ input, output }: KeyValueOperation) =>
    output !== null && input.f === 'operation' && 'get' in input.operation
  const reads = history.filter(isRead)
  const read = reads[reads.length >> 1] as KeyValueOperation
  const altered = history.map((op) => (op === read ? { ...op, output: '0:never written' } : op))
  const verdict = check(keyValueModel, altered)
  assert.is(verdict.linearizable, false)
  if (!verdict.linearizable) assert.match(verdict.window, 'never written')
}

test.run()
