import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Budget, COMMAND_WORK } from '../../src/execution/budget.ts'
import { Executor } from '../../src/execution/executor.ts'
import type { ResultBuffer } from '../../src/execution/result-buffer.ts'
import { MAX_GROUP_RESULT_BYTES, MAX_INSTANCE_RESULT_BYTES } from '../../src/execution/results.ts'
import {
  getCommand,
  incrementCommand,
  MAX_VALUE_BYTES,
  putCommand,
  transactionCommand,
} from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { ExecutedSet } from '../../src/protocol/executed.ts'
import { apply } from '../support/apply.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { type Batch, batchOf, type Group, inWords, orderOfCommits, Replica } from './support.ts'

const test = suite('execution in slices')

const increment = incrementCommand('n')

/** A turn of so many commands; to begin an instance counts as one. */
function turn(commands: number): Budget {
  return new Budget({ work: commands * COMMAND_WORK, ms: Number.POSITIVE_INFINITY, now: () => 0 })
}

/** Counts what it is asked for in one slice, and the bytes of all results that it builds. */
class CountingStore extends KeyValueStore {
  applied = 0
  builtBytes = 0

  override apply(bytes: Uint8Array, start: number, end: number, result: ResultBuffer): void {
    this.applied++
    super.apply(bytes, start, end, result)
    this.builtBytes += result.length
  }
}

/** An execution of instances that are given together, slice by slice. */
class Sliced {
  readonly machine = new CountingStore()
  readonly log: string[] = []
  readonly results: (string[][] | null)[] = []
  readonly executor: Executor

  constructor(batches: readonly (Batch | null)[]) {
    const executed = new ExecutedSet(2)
    this.executor = new Executor({
      engine: orderOfCommits(2),
      executed,
      machine: this.machine,
      ownRow: 0,
      batchOf: (row, slot) => (row === 0 ? (batches[slot - 1] as Batch | null) : null),
      onExecuted: (row, slot, results) => {
        executed.add(row, slot)
        this.log.push(`${row}.${slot}`)
        this.results.push(results === null ? null : inWords(results))
      },
    })
    for (const i of batches.keys()) this.executor.commit(0, i + 1, [0, 0])
  }

  /** Runs to the end, with a new budget for each slice; returns the most commands that one slice applied. */
  run(commands: number, between: () => void = () => {}): number {
    let most = 0
    const budget = turn(commands)
    while (this.executor.pending) {
      const before = this.machine.applied
      budget.renew()
      this.executor.run(budget)
      most = Math.max(most, this.machine.applied - before)
      between()
    }
    return most
  }
}

function randomGroup(random: Random): Group {
  const commands = Array.from({ length: random.below(6) }, () => {
    const key = random.pick(['a', 'b', 'n'])
    return random.pick([putCommand(key, random.pick(['1', 'x'])), getCommand(key), incrementCommand(key)])
  })
  const session = random.pick(['', 's', 't'])
  if (session === '') return { commands }
  if (random.chance(0.05)) return { expire: session }
  const first = 1 + random.below(20)
  return { commands, options: { session, first, acknowledged: random.below(first) } }
}

test('whatever is executed in a slice, results, order and state are those of one run', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const machine = new KeyValueStore()
  const rounds = 300
  for (let round = 0; round < rounds; round++) {
    const groups = () => Array.from({ length: random.below(5) }, () => randomGroup(random))
    const batches = Array.from({ length: 4 }, () => (random.chance(0.1) ? null : batchOf(machine, groups())))
    const whole = new Sliced(batches)
    whole.executor.run()
    const sliced = new Sliced(batches)
    const commands = 1 + random.below(3)
    const most = sliced.run(commands, () => random.chance(0.5) && sliced.executor.stateHash())
    assert.ok(most <= commands, `seed ${seed}: ${most} commands in a slice of ${commands}`)
    assert.equal(sliced.results, whole.results, `seed ${seed}`)
    assert.equal(sliced.log, whole.log, `seed ${seed}`)
    assert.is(sliced.executor.stateHash(), whole.executor.stateHash(), `seed ${seed}`)
    assert.equal(sliced.executor.counts, whole.executor.counts, `seed ${seed}`)
  }
  volume('batches executed in slices', 4 * rounds)
})

test('what is committed between two slices comes after what was to be executed before', () => {
  const batch = batchOf(new KeyValueStore(), [{ commands: [increment, increment] }])
  const sliced = new Sliced([batch, batch])
  const { executor } = sliced
  executor.run(turn(2))
  assert.is(executor.betweenComponents, false)
  assert.not.ok(executor.executed.has(0, 1), 'it is executed when its batch has ended')
  executor.commit(1, 1, null)
  sliced.run(1)
  assert.equal(sliced.log, ['0.1', '0.2', '1.1'])
  assert.is(executor.betweenComponents, true)
})

test('a state within a batch never hashes as that of a set of instances', () => {
  const batch = batchOf(new KeyValueStore(), [{ commands: [getCommand('a'), increment] }])
  const sliced = new Sliced([batch])
  const before = sliced.executor.stateHash()
  sliced.executor.run(turn(2))
  assert.is(sliced.executor.stateHash(), `${before}+0.1:1`)
})

test('a slice of commands that take long ends by the clock', () => {
  let nowMs = 0
  const budget = new Budget({ work: Number.POSITIVE_INFINITY, ms: 20, now: () => nowMs++ })
  let commands = 0
  while (!budget.spent) {
    budget.spend(0)
    commands++
  }
  assert.is(commands, 20 * 32)
  budget.renew()
  assert.not.ok(budget.spent)
})

const read = { get: 'large' }
const poison = transactionCommand({ then: [read, read, read, { put: 'k', value: 'v' }] })

function withLargeValue(ownRow: number): { replica: Replica; machine: CountingStore } {
  const machine = new CountingStore()
  const replica = new Replica(machine, ownRow)
  replica.run({ commands: [putCommand('large', new Uint8Array(MAX_VALUE_BYTES))] })
  machine.builtBytes = 0
  return { replica, machine }
}

test('results that nobody is answered with are not built', () => {
  const { replica, machine } = withLargeValue(1)
  replica.run({
    commands: [...new Array<Uint8Array>(200).fill(poison), ...new Array<Uint8Array>(200).fill(getCommand('large'))],
  })
  assert.is(machine.builtBytes, 0)
  assert.is(machine.applied, 1 + 200, 'reads are not even evaluated')
  assert.equal(apply(machine, getCommand('k')), Uint8Array.of(0, 'v'.charCodeAt(0)))
})

test('results that do not fit beside the others of their group are not built', () => {
  for (const command of [poison, getCommand('large')]) {
    const { replica, machine } = withLargeValue(0)
    const results = replica.run({ commands: new Array<Uint8Array>(200).fill(command) })
    assert.ok(machine.builtBytes <= MAX_GROUP_RESULT_BYTES, `${machine.builtBytes} bytes`)
    const statuses = new Set(results?.[0]?.map((words) => words.split(' ')[0]))
    assert.equal([...statuses], ['applied', 'omitted'])
  }
})

test('one batch makes sessions keep no more than an instance may answer, at every replica alike', () => {
  const bytes = 3 * MAX_VALUE_BYTES
  const groups = Array.from({ length: 40 }, (_, i) => ({
    commands: [poison],
    options: { session: `s${i % 3}`, first: i + 1, acknowledged: i },
  }))
  const built = [0, 1].map((ownRow) => {
    const { replica, machine } = withLargeValue(ownRow)
    replica.run(...groups)
    return { bytes: machine.builtBytes, applied: machine.applied, hash: replica.executor.stateHash() }
  })
  assert.equal(built[0], built[1])
  assert.ok((built[0]?.bytes as number) <= MAX_INSTANCE_RESULT_BYTES + 2 * bytes)
})

test.run()
