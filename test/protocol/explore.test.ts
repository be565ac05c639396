import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MessageType } from '../../src/protocol/messages.ts'
import { type EngineMaker, engineMakers, referenceEngine, wasmEngine } from '../support/engine-makers.ts'
import { freshSeed } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { duel } from './duel.ts'
import { explore } from './explore.ts'
import { ENDS } from './observer.ts'

const test = suite('random runs')

const reached = new Map<string, number>()

function reach(what: string, count: number): void {
  reached.set(what, (reached.get(what) ?? 0) + count)
}

/** Runs the seeds; names all seeds that fail, with what each violated. */
function campaign(first: number, count: number, run: (seed: number) => void): void {
  const failures: string[] = []
  for (let seed = first; seed < first + count; seed++) {
    try {
      run(seed)
    } catch (error) {
      failures.push(`seed ${seed}: ${(error as Error).message}`)
    }
  }
  assert.equal(failures, [])
  volume('protocol runs', count)
}

function exploreWith({ make }: EngineMaker): (seed: number) => void {
  return (seed) => {
    const { ends, ...counts } = explore(seed, make)
    for (const [what, count] of [...Object.entries(counts), ...ends]) reach(what, count)
    volume('protocol messages', counts.messages)
  }
}

function duelWith({ make }: EngineMaker): (seed: number) => void {
  return (seed) => {
    const { ends, sentByType, messages } = duel(seed, make)
    for (const [what, count] of ends) reach(what, count)
    sentByType.forEach((count, type) => {
      reach(`message ${type}`, count)
    })
    volume('protocol messages', messages)
  }
}

const fresh = freshSeed()

for (const maker of engineMakers) {
  test(`clusters under loss, reordering and crashes stay safe and come to rest (${maker.kind})`, () => {
    campaign(1, 200, exploreWith(maker))
    campaign(fresh, 100, exploreWith(maker))
  })
}

test('many recoverers of a few interfering instances decide one outcome (scenario 22, reference)', () => {
  campaign(1, 2000, duelWith(referenceEngine))
})

test('many recoverers decide one outcome, from a fresh seed (scenario 22, wasm)', () => {
  campaign(fresh, 1000, duelWith(wasmEngine))
})

test('both engines lead to the same run', () => {
  for (let seed = 1; seed <= 200; seed++) {
    assert.equal(duel(seed, wasmEngine.make), duel(seed, referenceEngine.make), `seed ${seed}`)
  }
})

test('the runs have reached every case of a recovery, and every counter', () => {
  for (const end of ENDS) assert.ok((reached.get(end) ?? 0) > 0, `never reached: ${end}`)
  // Checkpoints go from node to node; the core has no part in it.
  const { heartbeat, truncated, probe, probeOk, checkpointAsk, checkpointChunk, notYet, ...protocol } = MessageType
  for (const [name, type] of Object.entries(protocol)) assert.ok(reached.has(`message ${type}`), `never sent: ${name}`)
  for (const [what, count] of reached) assert.ok(count > 0, `never reached: ${what}`)
})

test.run()
