// biome-ignore-all lint/suspicious/noThenProperty: the branch of a transaction is named so
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FootprintBuilder } from '../../src/engine/footprint.ts'
import { EpaxosError, ErrorCode } from '../../src/errors.ts'
import type { StateMachine } from '../../src/execution/machine.ts'
import { Outcome, readResult, readTransactionResult } from '../../src/machine/command-results.ts'
import {
  compareAndSetCommand,
  deleteCommand,
  getCommand,
  incrementCommand,
  MAX_KEY_BYTES,
  MAX_VALUE_BYTES,
  putCommand,
  transactionCommand,
} from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { apply, applyWithin, footprint } from '../support/apply.ts'
import { checkedKeyValueStore, WatchedTable } from '../support/checked-machine.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { encodeStep, Model, randomStep, type Step, text } from './support.ts'

const test = suite('key-value machine')

const outcomeNames = Object.fromEntries(Object.entries(Outcome).map(([name, outcome]) => [outcome, name]))

/** A result in words, as the model returns it. */
function describe(step: Step, result: Uint8Array): string {
  if ('transaction' in step) {
    const { outcome, succeeded, results, failedAt } = readTransactionResult(result)
    if (outcome !== Outcome.done) return `${outcomeNames[outcome]} at ${failedAt}`
    return `${succeeded} ${JSON.stringify(results.map(describeOne))}`
  }
  return describeOne(readResult(result))
}

function describeOne({ outcome, value }: { outcome: Outcome; value: Uint8Array }): string {
  return outcome === Outcome.done ? `done ${text(value)}` : (outcomeNames[outcome] as string)
}

function run(machine: StateMachine, command: Uint8Array): string {
  return describeOne(readResult(apply(machine, command)))
}

function chunks(machine: StateMachine): Uint8Array[] {
  return [...machine.snapshot()]
}

function codeOf(action: () => unknown): string {
  try {
    action()
    return 'no error'
  } catch (error) {
    if (error instanceof EpaxosError) return error.code
    throw error
  }
}

test('a value is put, read, replaced and deleted', () => {
  const machine = checkedKeyValueStore()
  assert.is(run(machine, getCommand('k')), 'absent')
  assert.is(run(machine, putCommand('k', 'one')), 'done ')
  assert.is(run(machine, getCommand('k')), 'done one')
  assert.is(run(machine, putCommand('k', 'twenty')), 'done ')
  assert.is(run(machine, getCommand('k')), 'done twenty')
  assert.is(run(machine, deleteCommand('k')), 'done ')
  assert.is(run(machine, deleteCommand('k')), 'absent')
  assert.is(run(machine, getCommand('k')), 'absent')
})

test('an empty value is not an absent one', () => {
  const machine = checkedKeyValueStore()
  run(machine, putCommand('k', ''))
  assert.is(run(machine, getCommand('k')), 'done ')
  assert.is(run(machine, compareAndSetCommand('k', null, 'x')), 'unmet')
  assert.is(run(machine, compareAndSetCommand('k', '', 'x')), 'done ')
})

test('a counter is decimal digits, absent counts as 0', () => {
  const machine = checkedKeyValueStore()
  assert.is(run(machine, incrementCommand('n')), 'done 1')
  assert.is(run(machine, incrementCommand('n', -3)), 'done -2')
  assert.is(run(machine, getCommand('n')), 'done -2')
  assert.is(run(machine, incrementCommand('n', 2)), 'done 0')
})

test('what is no counter, or would leave ±(2⁵³−1), is not incremented', () => {
  const machine = checkedKeyValueStore()
  for (const value of [
    '',
    '-',
    '+1',
    '01',
    '-0',
    '1 ',
    '1\n',
    '0x1',
    '1.5',
    'one',
    '9007199254740992',
    '1'.repeat(17),
  ]) {
    run(machine, putCommand('n', value))
    assert.is(run(machine, incrementCommand('n')), 'notCounter', JSON.stringify(value))
    assert.is(run(machine, incrementCommand('n', -1)), 'notCounter', JSON.stringify(value))
    assert.is(run(machine, getCommand('n')), `done ${value}`)
  }
  run(machine, putCommand('n', '9007199254740991'))
  assert.is(run(machine, incrementCommand('n')), 'notCounter')
  assert.is(run(machine, incrementCommand('n', 0)), 'done 9007199254740991')
  assert.is(run(machine, incrementCommand('n', -Number.MAX_SAFE_INTEGER)), 'done 0')
  assert.is(run(machine, incrementCommand('n', -Number.MAX_SAFE_INTEGER)), 'done -9007199254740991')
  assert.is(run(machine, incrementCommand('n', -1)), 'notCounter')
})

test('compare-and-set changes only what has the expected value', () => {
  const machine = checkedKeyValueStore()
  assert.is(run(machine, compareAndSetCommand('k', 'a', 'b')), 'unmet')
  assert.is(run(machine, compareAndSetCommand('k', null, 'a')), 'done ')
  assert.is(run(machine, compareAndSetCommand('k', null, 'b')), 'unmet')
  assert.is(run(machine, compareAndSetCommand('k', 'a', 'b')), 'done ')
  assert.is(run(machine, getCommand('k')), 'done b')
})

test('a transaction takes the branch that its conditions choose, each operation seeing those before it', () => {
  const machine = checkedKeyValueStore()
  const command = transactionCommand({
    if: [
      { key: 'a', absent: true },
      { key: 'b', absent: true },
    ],
    then: [{ put: 'a', value: '5' }, { increment: 'a', by: 2 }, { get: 'a' }, { delete: 'b' }],
    else: [{ get: 'a' }, { delete: 'a' }],
  })
  const first = readTransactionResult(apply(machine, command))
  assert.is(first.succeeded, true)
  assert.equal(first.results.map(describeOne), ['done ', 'done 7', 'done 7', 'absent'])
  const second = readTransactionResult(apply(machine, command))
  assert.is(second.succeeded, false)
  assert.equal(second.results.map(describeOne), ['done 7', 'done '])
})

test('a transaction with an operation that cannot be done changes nothing', () => {
  const machine = checkedKeyValueStore()
  run(machine, putCommand('a', 'old'))
  run(machine, putCommand('text', 'no number'))
  const before = machine.stateHash?.()
  const result = readTransactionResult(
    apply(
      machine,
      transactionCommand({
        then: [
          { put: 'a', value: 'new' },
          { delete: 'a' },
          { put: 'b', value: 'x' },
          { increment: 'text' },
          { put: 'c', value: 'x' },
        ],
      }),
    ),
  )
  assert.is(result.outcome, Outcome.notCounter)
  assert.is(result.failedAt, 3)
  assert.is(machine.stateHash?.(), before)
  assert.is(run(machine, getCommand('a')), 'done old')
  assert.is(run(machine, getCommand('b')), 'absent')
})

test('a transaction whose results are too large changes nothing', () => {
  const machine = checkedKeyValueStore()
  run(machine, putCommand('large', new Uint8Array(MAX_VALUE_BYTES)))
  const gets = Array.from({ length: 5 }, () => ({ get: 'large' }))
  const result = readTransactionResult(apply(machine, transactionCommand({ then: [{ put: 'a', value: '' }, ...gets] })))
  assert.is(result.outcome, Outcome.tooLarge)
  assert.is(run(machine, getCommand('a')), 'absent')
})

test('what a command changes does not depend on the room for its result, which is built where it has room', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const full = new KeyValueStore()
  const cramped = new KeyValueStore()
  let missing = 0
  for (let i = 0; i < 10_000; i++) {
    const command = encodeStep(randomStep(random, 12))
    const result = apply(full, command)
    const room = random.below(result.length + 2) - 1
    const within = applyWithin(cramped, command, room)
    if (within !== null) assert.equal(within, result, `seed ${seed}, step ${i}`)
    else missing++
    if (room >= result.length) assert.ok(within !== null, `seed ${seed}, step ${i}`)
    assert.is(cramped.stateHash(), full.stateHash(), `seed ${seed}, step ${i}`)
  }
  assert.ok(missing > 100, `seed ${seed}: ${missing}`)
})

test('a transaction that cannot be done touches no value: it is found out before anything is changed', () => {
  let writes = 0
  const machine = new KeyValueStore(() => new WatchedTable({ read: () => {}, write: () => writes++ }))
  apply(machine, putCommand('large', new Uint8Array(MAX_VALUE_BYTES)))
  writes = 0
  const failing = transactionCommand({ then: [{ delete: 'large' }, { put: 'a', value: 'x' }, { increment: 'a' }] })
  assert.is(readTransactionResult(apply(machine, failing)).failedAt, 2)
  assert.is(writes, 0)
})

test('random commands give what a plain model gives, touch only their footprint, and survive snapshots', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const model = new Model()
  let machine = checkedKeyValueStore()
  const steps = 30_000
  const seen = new Set<string>()
  for (let i = 0; i < steps; i++) {
    const step = randomStep(random, 12)
    const expected = model.apply(step)
    assert.is(describe(step, apply(machine, encodeStep(step))), expected, `seed ${seed}, step ${i}`)
    seen.add(expected.split(' ')[0] as string)
    if (i % 5000 === 0) {
      const copy = checkedKeyValueStore()
      copy.restore(machine.snapshot())
      assert.is(copy.stateHash?.(), machine.stateHash?.(), `seed ${seed}, step ${i}`)
      machine = copy
    }
  }
  assert.equal([...seen].sort(), ['absent', 'done', 'false', 'notCounter', 'true', 'unmet'], `seed ${seed}`)
  volume('key-value commands against the model', steps)
})

/** The keys that a step may change. */
function writtenBy(step: Step): Set<unknown> {
  if ('cas' in step) return new Set([step.cas])
  const { then = [], else: otherwise = [] } = 'transaction' in step ? step.transaction : { then: [step] }
  return new Set(
    [...then, ...otherwise].map((operation) => {
      if ('put' in operation) return operation.put
      if ('delete' in operation) return operation.delete
      return 'increment' in operation ? operation.increment : null
    }),
  )
}

test('a listener hears of each key that is changed, after the change, and of no other', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const machine = new KeyValueStore()
  const model = new Model()
  let heard = new Set<string>()
  const listen = (bytes: Uint8Array, start: number, end: number) => {
    const key = text(bytes.subarray(start, end))
    heard.add(key)
    apply(machine, getCommand(key))
  }
  for (let i = 0; i < 5000; i++) {
    if (i % 1000 === 500) machine.restore(chunks(machine))
    machine.changed = i % 1000 < 900 ? listen : null
    const before = new Map(model.values)
    const step = randomStep(random, 12)
    heard = new Set()
    model.apply(step)
    apply(machine, encodeStep(step))
    const changed = [...new Set([...before.keys(), ...model.values.keys()])].filter(
      (key) => before.get(key) !== model.values.get(key),
    )
    if (machine.changed === null) assert.is(heard.size, 0)
    else for (const key of changed) assert.ok(heard.has(key), `${key}, step ${i}, seed ${seed}`)
    for (const key of heard) assert.ok(writtenBy(step).has(key), `${key}, step ${i}, seed ${seed}`)
  }
})

test('equal states have equal hashes and snapshots whatever their history, others have not', () => {
  const one = new KeyValueStore()
  const other = new KeyValueStore()
  for (let i = 0; i < 1000; i++) run(one, putCommand(`k${i}`, `v${i}`))
  for (let i = 999; i >= 0; i--) {
    run(other, putCommand(`k${i}`, 'something else, of another length'))
    run(other, putCommand(`other ${i}`, 'x'))
    run(other, putCommand(`k${i}`, `v${i}`))
  }
  assert.is.not(other.stateHash(), one.stateHash())
  for (let i = 0; i < 1000; i++) run(other, deleteCommand(`other ${i}`))
  assert.is(other.stateHash(), one.stateHash())
  assert.equal(chunks(other), chunks(one))

  run(other, putCommand('k1', 'v2'))
  run(other, putCommand('k2', 'v1'))
  assert.is.not(other.stateHash(), one.stateHash(), 'exchanged values show')
  assert.is(new KeyValueStore().stateHash(), '0000000000000000')
})

test('a snapshot is restored wherever its chunks are cut, and a damaged one changes nothing', () => {
  const machine = new KeyValueStore()
  for (let i = 0; i < 2000; i++) run(machine, putCommand(`key ${i}`, 'v'.repeat(i % 200)))
  const whole = Buffer.concat(chunks(machine))
  assert.ok(chunks(machine).length > 1)
  const pieces: Uint8Array[] = []
  for (let at = 0; at < whole.length; at += 1 + (at % 97)) pieces.push(whole.subarray(at, at + 1 + (at % 97)))
  const copy = new KeyValueStore()
  copy.restore(pieces)
  assert.is(copy.stateHash(), machine.stateHash())
  assert.is(copy.size, 2000)

  for (const damaged of [whole.subarray(0, whole.length - 1), Buffer.concat([whole, whole]), whole.subarray(2)]) {
    assert.is(
      codeOf(() => copy.restore([damaged])),
      ErrorCode.damaged,
    )
    assert.is(copy.stateHash(), machine.stateHash())
  }
})

test('reads are named as read, everything that may change a key as written, both branches of a transaction', () => {
  const machine = new KeyValueStore()
  const count = (command: Uint8Array) => {
    const keys = new FootprintBuilder()
    footprint(machine, command, keys)
    return [keys.writes, keys.keys - keys.writes]
  }
  assert.equal(count(getCommand('k')), [0, 1])
  for (const command of [
    putCommand('k', ''),
    deleteCommand('k'),
    incrementCommand('k'),
    compareAndSetCommand('k', null, ''),
  ]) {
    assert.equal(count(command), [1, 0])
  }
  const transaction = {
    if: [{ key: 'a', present: true } as const],
    then: [{ put: 'b', value: '' }],
    else: [{ get: 'c' }, { increment: 'd' }],
  }
  assert.equal(count(transactionCommand(transaction)), [2, 2])
  assert.equal(count(transactionCommand({ if: [{ key: 'a', equals: 'x' }], else: [{ get: 'c' }] })), [0, 2])
})

test('limits: a key has 1 to 1024 bytes, a value up to 1 MiB, a transaction up to 1024 items', () => {
  const machine = new KeyValueStore()
  const keys = new FootprintBuilder()
  const longest = new Uint8Array(MAX_KEY_BYTES).fill(107)
  footprint(machine, putCommand(longest, new Uint8Array(MAX_VALUE_BYTES)), keys)
  assert.is(run(machine, putCommand(longest, new Uint8Array(MAX_VALUE_BYTES))), 'done ')
  assert.is(readResult(apply(machine, getCommand(longest))).value.length, MAX_VALUE_BYTES)

  assert.is(
    codeOf(() => getCommand('')),
    ErrorCode.badCommand,
  )
  assert.is(
    codeOf(() => getCommand('k'.repeat(1025))),
    ErrorCode.tooLarge,
  )
  assert.is(
    codeOf(() => putCommand('k', new Uint8Array(MAX_VALUE_BYTES + 1))),
    ErrorCode.tooLarge,
  )
  assert.is(
    codeOf(() => incrementCommand('k', 2 ** 53)),
    ErrorCode.badCommand,
  )
  const gets = Array.from({ length: 1025 }, () => ({ get: 'k' }))
  assert.is(
    codeOf(() => transactionCommand({ then: gets })),
    ErrorCode.tooLarge,
  )

  const emptyKey = Uint8Array.of(2, 0, 0, 0)
  const longKey = Uint8Array.of(2, 0, 1, 4, ...new Uint8Array(1025))
  const longValue = new Uint8Array(MAX_VALUE_BYTES + 6)
  longValue.set([1, 0, 1, 0, 107])
  assert.is(
    codeOf(() => footprint(machine, emptyKey, keys)),
    ErrorCode.badCommand,
  )
  assert.is(
    codeOf(() => footprint(machine, longKey, keys)),
    ErrorCode.tooLarge,
  )
  assert.is(
    codeOf(() => footprint(machine, longValue, keys)),
    ErrorCode.tooLarge,
  )
})

test('a transaction has conditions first, then operations without compare-and-set', () => {
  const machine = new KeyValueStore()
  const transaction = (conditions: number, operations: number, ...items: Uint8Array[]) => {
    const parts = items.flatMap((item) => [Uint8Array.of(item.length, 0, 0, 0), item])
    return Buffer.concat([Uint8Array.of(6, 0, conditions, 0, operations, 0, 0, 0), ...parts])
  }
  const present = Uint8Array.of(9, 0, 1, 0, 107)
  const check = (command: Uint8Array) => codeOf(() => footprint(machine, command, new FootprintBuilder()))
  assert.is(check(transaction(1, 1, present, getCommand('k'))), 'no error')
  const wrong = [
    transaction(1, 1, getCommand('k'), getCommand('k')),
    transaction(1, 1, present, present),
    transaction(0, 1, compareAndSetCommand('k', null, 'v')),
    transaction(0, 1, transaction(0, 0)),
    transaction(0, 1),
    transaction(0, 0, present),
  ]
  for (const command of wrong) {
    assert.is(check(command), ErrorCode.badCommand)
    assert.equal(apply(machine, command), Uint8Array.of(Outcome.invalid))
  }
})

test('a key that no snapshot would hold is not entered, whoever let it pass', () => {
  const machine = new KeyValueStore()
  for (const length of [0, 1025]) {
    const command = Uint8Array.of(1, 0, length & 255, length >> 8, ...new Uint8Array(length))
    assert.equal(apply(machine, command), Uint8Array.of(Outcome.invalid))
  }
  assert.is(machine.size, 0)
})

test('changed bytes are refused or are another command, and even unvalidated ones never make apply throw', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const validated = checkedKeyValueStore()
  const unvalidated = new KeyValueStore()
  const total = 100_000
  let refused = 0
  for (let i = 0; i < total; i++) {
    const command = mutate(encodeStep(randomStep(random, 6)), random)
    if (codeOf(() => footprint(validated, command, new FootprintBuilder())) === 'no error') {
      assert.is.not(apply(validated, command)[0], Outcome.invalid, `seed ${seed}, command ${i}`)
    } else {
      refused++
    }
    apply(unvalidated, command)
  }
  assert.ok(refused > total / 4 && refused < total, `seed ${seed}: ${refused} refused`)
  const copy = new KeyValueStore()
  copy.restore(unvalidated.snapshot())
  assert.is(copy.stateHash(), unvalidated.stateHash(), `seed ${seed}`)
  volume('mutated key-value commands', total)
})

test('commands that are loaded ahead, in windows, are applied as those that are not, whatever their bytes are', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const ahead = new KeyValueStore()
  const plain = new KeyValueStore()
  for (let window = 0; window < 600; window++) {
    const commands = Array.from({ length: 1 + random.below(40) }, () => {
      const command = encodeStep(randomStep(random, 300))
      return random.chance(0.2) ? mutate(command, random) : command
    })
    const ranges = new Int32Array(2 * commands.length)
    let end = 0
    commands.forEach((command, i) => {
      ranges[2 * i] = end
      end += command.length
      ranges[2 * i + 1] = end
    })
    const hash = ahead.stateHash()
    ahead.loadAhead(Buffer.concat(commands), ranges, commands.length)
    assert.is(ahead.stateHash(), hash)
    for (const command of commands) assert.equal(apply(ahead, command), apply(plain, command), `seed ${seed}`)
  }
  assert.equal(chunks(ahead), chunks(plain), `seed ${seed}`)
})

function mutate(command: Uint8Array, random: Random): Uint8Array {
  const kind = random.below(4)
  if (kind === 0) return command.slice(0, random.below(command.length + 1))
  if (kind === 1)
    return Uint8Array.of(...command.subarray(0, 40), ...Array.from({ length: 4 }, () => random.below(256)))
  const changed = command.slice()
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    changed[random.below(Math.min(changed.length, 24))] = random.below(random.chance(0.5) ? 10 : 256)
  }
  return changed
}

test.run()
