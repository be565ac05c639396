import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FootprintBuilder } from '../../src/engine/footprint.ts'
import { EpaxosError, ErrorCode } from '../../src/errors.ts'
import {
  areGroups,
  encodeExpire,
  encodeGroup,
  GroupKind,
  GroupReader,
  prepareGroup,
} from '../../src/execution/groups.ts'
import type { StateMachine } from '../../src/execution/machine.ts'
import { getCommand, incrementCommand, putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { interferes } from '../support/interference.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'

const test = suite('groups of commands')

const put = putCommand('a', '1')
const get = getCommand('b')
const increment = incrementCommand('c')
const machine = new KeyValueStore()

function codeOf(action: () => unknown): string {
  try {
    action()
    return 'no error'
  } catch (error) {
    if (error instanceof EpaxosError) return error.code
    throw error
  }
}

test('a group is read as it was encoded', () => {
  const group = encodeGroup([put, get, new Uint8Array(0)], { session: 'sé', first: 2 ** 40, acknowledged: 2 ** 33 + 1 })
  const reader = new GroupReader()
  reader.open(Buffer.concat([Buffer.alloc(3), group, group]), 3)
  assert.is(reader.kind, GroupKind.commands)
  assert.is(reader.count, 3)
  assert.is(reader.first, 2 ** 40)
  assert.is(reader.acknowledged, 2 ** 33 + 1)
  assert.is(reader.session(), Buffer.from('sé').toString('latin1'))
  assert.is(reader.end, 3 + group.length)
  const lengths: number[] = []
  while (reader.next()) lengths.push(reader.commandEnd - reader.commandStart)
  assert.equal(lengths, [put.length, get.length, 0])
})

test('a group of no session has no numbers, an expiry names a session and nothing else', () => {
  const reader = new GroupReader()
  reader.open(encodeGroup([put]), 0)
  assert.is(reader.hasSession, false)
  assert.is(reader.first, 0)
  reader.open(encodeExpire('s'), 0)
  assert.is(reader.kind, GroupKind.expire)
  assert.is(reader.session(), 's')
  assert.is(reader.next(), false)
})

test('groups that replicas refuse are not encoded', () => {
  const options = { session: 's', first: 1, acknowledged: 0 }
  for (const wrong of [
    { first: 0 },
    { first: -1 },
    { first: 1.5 },
    { first: 2 ** 53 - 1 },
    { acknowledged: 1 },
    { session: '' },
    { session: 's'.repeat(65) },
  ]) {
    assert.is.not(
      codeOf(() => encodeGroup([put], { ...options, ...wrong })),
      'no error',
      JSON.stringify(wrong),
    )
  }
  assert.is(
    codeOf(() => encodeGroup(new Array(65_537).fill(get))),
    ErrorCode.tooLarge,
  )
  assert.is(
    codeOf(() => encodeGroup(new Array(9).fill(new Uint8Array(1 << 20)))),
    ErrorCode.tooLarge,
  )
  assert.is(
    codeOf(() => encodeExpire('')),
    ErrorCode.badCommand,
  )
})

test('preparing marks what only reads, whatever the client marked', () => {
  const group = encodeGroup([put, get, increment])
  const honest = marks(group)
  assert.equal(honest.prepared, [false, true, false])
  const lying = encodeGroup([put, get, increment])
  lying[28 + 3]! |= 0x80
  assert.equal(marks(lying).prepared, [false, true, false])
  assert.is(honest.updates, 2)
})

function marks(group: Uint8Array) {
  const { updates } = prepareGroup(group, machine, new FootprintBuilder())
  const reader = new GroupReader()
  reader.open(group, 0)
  const prepared: boolean[] = []
  while (reader.next()) prepared.push(reader.onlyReads)
  return { prepared, updates }
}

test('a command that interferes with everything writes, also behind another such command', () => {
  const barrier: StateMachine = {
    footprint: (_bytes, _start, _end, keys) => keys.everything(),
    apply: () => {},
    snapshot: () => [],
    restore: () => {},
  }
  assert.is(prepareGroup(encodeGroup([put, put, put]), barrier, new FootprintBuilder()).updates, 3)
})

test('updates of one session interfere with each other and with its expiry, reads and other sessions do not', () => {
  const footprint = (group: Uint8Array) => {
    const keys = new FootprintBuilder()
    prepareGroup(group, machine, keys)
    return keys.take()
  }
  const inSession = (command: Uint8Array, session = 's') =>
    encodeGroup([command], { session, first: 1, acknowledged: 0 })
  const update = footprint(inSession(put))
  assert.ok(interferes(update, footprint(inSession(increment))))
  assert.ok(interferes(update, footprint(encodeExpire('s'))))
  assert.not(interferes(update, footprint(inSession(get))))
  assert.not(interferes(update, footprint(inSession(increment, 't'))))
  assert.not(interferes(footprint(inSession(get)), footprint(encodeExpire('s'))))
  assert.not(interferes(update, footprint(encodeGroup([increment]))))
})

test('one bad command refuses its whole group and leaves the footprint as it was', () => {
  const keys = new FootprintBuilder()
  prepareGroup(encodeGroup([put]), machine, keys)
  const before = [keys.writes, keys.keys]
  const bad = encodeGroup([put, get, Uint8Array.of(99)], { session: 's', first: 1, acknowledged: 0 })
  assert.is(
    codeOf(() => prepareGroup(bad, machine, keys)),
    ErrorCode.badCommand,
  )
  assert.equal([keys.writes, keys.keys], before)
})

test('bytes of a group behind its last command are refused', () => {
  const group = Buffer.concat([encodeGroup([put]), Uint8Array.of(0)])
  assert.is(
    codeOf(() => prepareGroup(group, machine, new FootprintBuilder())),
    ErrorCode.malformed,
  )
  group.writeUInt32LE(group.length, 0)
  assert.is(
    codeOf(() => prepareGroup(group, machine, new FootprintBuilder())),
    ErrorCode.malformed,
  )
})

test('mutated groups are refused with an error of this package, or well-formed, and a refusal leaves no trace', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const keys = new FootprintBuilder()
  const reader = new GroupReader()
  const empty = machine.stateHash()
  const total = 100_000
  let refused = 0
  for (let i = 0; i < total; i++) {
    const group = mutate(randomGroup(random), random)
    const before = [keys.writes, keys.keys]
    if (codeOf(() => prepareGroup(group, machine, keys)) === 'no error') {
      assert.ok(areGroups(group, reader), `seed ${seed}, group ${i}`)
      keys.take()
    } else {
      refused++
      assert.equal([keys.writes, keys.keys], before, `seed ${seed}, group ${i}`)
    }
  }
  assert.is(machine.stateHash(), empty)
  assert.ok(refused > total / 2 && refused < total, `seed ${seed}: ${refused} refused`)
  volume('mutated groups', total)
})

function randomGroup(random: Random): Uint8Array {
  if (random.chance(0.1)) return encodeExpire('session')
  const commands = Array.from({ length: random.below(4) }, () => random.pick([put, get, increment]))
  if (random.chance(0.3)) return encodeGroup(commands)
  const first = 1 + random.below(10)
  return encodeGroup(commands, { session: 's'.repeat(1 + random.below(9)), first, acknowledged: random.below(first) })
}

function mutate(group: Uint8Array, random: Random): Uint8Array {
  const kind = random.below(6)
  if (kind === 0) return group.slice(0, random.below(group.length))
  if (kind === 1) return Buffer.concat([group, group.subarray(0, random.below(group.length))])
  const changed = group.slice()
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    changed[random.below(changed.length)] = random.chance(0.5) ? random.below(4) : random.below(256)
  }
  return changed
}

test.run()
