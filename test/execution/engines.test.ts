import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Engine } from '../../src/engine/engine.ts'
import { loadEngine, ReferenceEngine } from '../../src/engine/index.ts'
import { Executor } from '../../src/execution/executor.ts'
import type { StateMachine } from '../../src/execution/machine.ts'
import { incrementCommand, putCommand } from '../../src/machine/commands.ts'
import { ExecutedSet } from '../../src/protocol/executed.ts'
import type { Batch } from '../../src/protocol/messages.ts'
import { apply } from '../support/apply.ts'
import { checkedKeyValueStore } from '../support/checked-machine.ts'
import { interferes } from '../support/interference.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { batchOf, type Group } from './support.ts'

const test = suite('execution behind the real engines')

const ROWS = 3
const KEYS = 5

interface Instance {
  readonly row: number
  readonly slot: number
  readonly batch: Batch
  readonly noop: boolean
  readonly deps: readonly number[]
}

/**
 * A log as the protocol leaves it: of two interfering instances, at least one names the other (Visibility), often both
 * do, and some are no-ops. Sessions increment counters. What became a no-op is proposed again after its successors, and
 * some requests are proposed twice.
 */
function randomLog(random: Random, machine: StateMachine): { log: Instance[]; requests: number } {
  const { groups, requests } = randomGroups(random)
  const proposals: Omit<Instance, 'deps'>[] = []
  const slots = new Array(ROWS).fill(0)
  for (const queue = [...groups]; queue.length > 0; ) {
    const taken = queue.splice(0, 1 + random.below(3))
    const row = random.below(ROWS)
    const noop = random.chance(0.1)
    proposals.push({ row, slot: ++slots[row], batch: batchOf(machine, taken), noop })
    if (noop) queue.splice(random.below(queue.length + 1), 0, ...taken)
    else if (random.chance(0.1)) queue.splice(random.below(queue.length + 1), 0, taken[0] as Group)
  }
  return { log: proposals.map((proposal, i) => ({ ...proposal, deps: randomDeps(random, proposals, i) })), requests }
}

/** Each group belongs to a session and holds one to three of its requests, in pipelined order. */
function randomGroups(random: Random): { groups: Group[]; requests: number } {
  const groups: Group[] = []
  const next = [1, 1, 1, 1]
  for (let i = 0; i < 60; i++) {
    const session = random.below(next.length)
    const first = next[session] as number
    const count = 1 + random.below(3)
    next[session] = first + count
    const commands = Array.from({ length: count }, () => incrementCommand(`n${random.below(KEYS)}`))
    groups.push({ commands, options: { session: `session ${session}`, first, acknowledged: 0 } })
    if (random.chance(0.3)) groups.push({ commands: [putCommand(`k${random.below(KEYS)}`, `${i}`)] })
  }
  return { groups, requests: next.reduce((sum, number) => sum + number - 1, 0) }
}

/**
 * Everything that interferes and was proposed before, and some instances proposed at the same time, which also name
 * this one: cycles.
 */
function randomDeps(random: Random, proposals: readonly Omit<Instance, 'deps'>[], own: number): number[] {
  const { row, slot, batch, noop } = proposals[own] as Omit<Instance, 'deps'>
  const deps = new Array(ROWS).fill(0)
  const until = own + (random.chance(0.5) ? random.below(5) : 0)
  proposals.forEach((other, i) => {
    if (other.row !== row && i <= until && interferes(batch.footprint, other.batch.footprint)) {
      deps[other.row] = Math.max(deps[other.row], other.slot)
    }
  })
  deps[row] = slot - 1
  return noop ? new Array(ROWS).fill(0) : deps
}

/**
 * A replica that learns payloads and commits in its own order; returns the order in which interfering instances were
 * applied, per key hash.
 */
class Follower {
  readonly executor: Executor
  readonly machine = checkedKeyValueStore()
  readonly ordersOfKeys = new Map<string, string[]>()
  results = 0

  constructor(engine: Engine, log: readonly Instance[], ownRow: number) {
    const find = (row: number, slot: number) => log.find((one) => one.row === row && one.slot === slot) as Instance
    const executed = new ExecutedSet(engine.replicas)
    this.executor = new Executor({
      engine,
      executed,
      machine: this.machine,
      ownRow,
      batchOf: (row, slot) => (find(row, slot).noop ? null : find(row, slot).batch),
      onExecuted: (row, slot, results) => {
        executed.add(row, slot)
        const { noop, batch } = find(row, slot)
        assert.is(results !== null, row === ownRow && !noop)
        if (results !== null) this.results++
        if (!noop) this.#note(`${row}.${slot}`, batch)
      },
    })
  }

  #note(id: string, batch: Batch): void {
    for (let at = 1; at < batch.footprint.length; at += 2) {
      const key = `${batch.footprint[at]},${batch.footprint[at + 1]}`
      const order = this.ordersOfKeys.get(key) ?? []
      if (order.at(-1) !== id) order.push(id)
      this.ordersOfKeys.set(key, order)
    }
  }

  learn(random: Random, engine: Engine, log: readonly Instance[]): void {
    const steps = log.flatMap((one) => {
      const enter = () => engine.enter(one.row, one.slot, one.batch.footprint)
      const commit = () => {
        if (!one.noop) enter()
        this.executor.commit(one.row, one.slot, one.noop ? null : one.deps)
      }
      return [enter, commit, commit]
    })
    while (steps.length > 0) {
      const next = random.below(Math.min(steps.length, 30))
      steps.splice(next, 1)[0]?.()
      if (random.chance(0.2)) this.executor.run()
    }
    this.executor.run()
  }
}

test('replicas of either engine that learn one log in any order end in one state (scenario 14, 16)', async () => {
  const seed = freshSeed()
  const random = new Random(seed)
  let instances = 0
  let cycles = 0
  for (let round = 0; round < 40; round++) {
    const { log, requests } = randomLog(random, checkedKeyValueStore())
    const followers: Follower[] = []
    for (let row = 0; row < ROWS; row++) {
      const engine = row === 1 ? new ReferenceEngine(ROWS) : await loadEngine({ replicas: ROWS })
      const follower = new Follower(engine, log, row)
      follower.learn(random, engine, log)
      followers.push(follower)
    }
    const what = `seed ${seed}, round ${round}`
    const [first] = followers as [Follower]
    for (const follower of followers) {
      assert.is(follower.executor.counts.instances, log.length, what)
      assert.equal(sorted(follower.ordersOfKeys), sorted(first.ordersOfKeys), what)
      assert.is(follower.executor.stateHash(), first.executor.stateHash(), what)
    }
    assert.is(counted(first.machine), requests, what)
    instances += log.length
    cycles += first.executor.counts.cycles
  }
  assert.ok(cycles > 100, `seed ${seed}: ${cycles} components larger than one`)
  volume('instances executed behind the real engines', instances * ROWS)
})

function sorted(orders: Map<string, string[]>): [string, string[]][] {
  return [...orders].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** The sum of all counters. */
function counted(machine: StateMachine): number {
  let sum = 0
  for (let key = 0; key < KEYS; key++) {
    sum += Number(Buffer.from(apply(machine, incrementCommand(`n${key}`, 0)).subarray(1)).toString())
  }
  return sum
}

test.run()
