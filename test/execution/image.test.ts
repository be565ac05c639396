import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Budget, COMMAND_WORK } from '../../src/execution/budget.ts'
import { Executor } from '../../src/execution/executor.ts'
import type { ExecutionImage } from '../../src/execution/image.ts'
import type { StateMachine } from '../../src/execution/machine.ts'
import { incrementCommand, putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { PrintingMachine } from '../../src/machine/printing.ts'
import { ExecutedSet } from '../../src/protocol/executed.ts'
import { ListMachine } from '../simulator/list-machine.ts'
import { freshSeed, Random } from '../support/random.ts'
import { batchOf, type Group, orderOfCommits, Replica } from './support.ts'

const test = suite('image of an execution')

/** What one of these machines executes. */
type Make = (random: Random) => Uint8Array

const MACHINES: readonly { readonly make: () => StateMachine; readonly command: Make; readonly stopped: boolean }[] = [
  {
    make: () => new KeyValueStore(),
    command: (random) => incrementCommand(`n${random.below(500)}`, random.below(9)),
    stopped: false,
  },
  {
    make: () => new PrintingMachine(),
    command: (random) => Buffer.from(`line ${random.below(1e6)}`),
    stopped: false,
  },
  {
    make: () => new ListMachine(),
    command: (random) => Buffer.from(`a k${random.below(50)} v${random.below(1e6)}`),
    stopped: true,
  },
]

function groupsOf(command: Make, random: Random): Group[] {
  const commands = Array.from({ length: 1 + random.below(20) }, () => command(random))
  if (random.chance(0.1)) return [{ expire: `s${random.below(9)}` }]
  if (random.chance(0.3)) return [{ commands }]
  const first = 1 + random.below(2000)
  return [{ commands, options: { session: `s${random.below(9)}`, first, acknowledged: Math.max(0, first - 60) } }]
}

for (const { make, command, stopped } of MACHINES) {
  test(`is what was executed when it was begun: ${make().constructor.name}`, () => {
    const seed = freshSeed()
    const random = new Random(seed)
    for (let round = 0; round < 30; round++) {
      const replica = new Replica(make())
      const run = (most: number) => {
        for (let i = random.below(most + 1); i > 0; i--) replica.run(...groupsOf(command, random))
      }
      run(100)
      const hash = replica.executor.stateHash()
      const image = replica.executor.capture()
      assert.is(image.stopped, stopped)
      const read = new Map<string, Uint8Array[]>()
      for (const { name, chunks } of image.sections) {
        run(20)
        read.set(name, [])
        for (const chunk of chunks) {
          read.get(name)?.push(chunk)
          run(10)
        }
      }
      image.release()
      assert.is(image.waitingBytes, 0)
      const copy = new Replica(make())
      copy.executor.restore((name) => read.get(name) as Uint8Array[])
      assert.is(copy.executor.stateHash(), hash, `seed ${seed}, round ${round}`)
      replica.executor.capture().release()
    }
  })
}

test('is not begun in the middle of a component', () => {
  const machine = new KeyValueStore()
  const batch = batchOf(machine, [{ commands: [putCommand('a', '1'), putCommand('b', '2')] }])
  const executed = new ExecutedSet(2)
  const executor = new Executor({
    engine: orderOfCommits(2),
    executed,
    machine,
    ownRow: 0,
    batchOf: () => batch,
    onExecuted: (row, slot) => executed.add(row, slot),
  })
  executor.commit(0, 1, [0, 0])
  const turn = new Budget({ work: 2 * COMMAND_WORK, ms: Number.POSITIVE_INFINITY, now: () => 0 })
  executor.run(turn)
  assert.throws(() => executor.capture(), /between two components/)
  assert.throws(() => executor.restore(() => []), /between two components/)
  executor.run()
  executor.capture().release()
})

test('a machine without an image is copied at once, in chunks that are not small', () => {
  const machine: StateMachine = {
    footprint: () => {},
    apply: () => {},
    *snapshot() {
      for (let i = 0; i < 200_000; i++) yield Uint8Array.of(i)
    },
    restore: () => {},
  }
  const image: ExecutionImage = new Replica(machine).executor.capture()
  assert.ok(image.stopped)
  assert.is(image.waitingBytes, 200_000)
  const sizes = [...(image.sections[0]?.chunks ?? [])].map(({ length }) => length)
  assert.equal(sizes, [65_536, 65_536, 65_536, 200_000 - 3 * 65_536])
  assert.is(image.waitingBytes, 0)
})

test.run()
