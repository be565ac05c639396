import * as assert from 'uvu/assert'
import { epochOf, type Unsealed, unsealed } from '../../src/codec/frame.ts'
import { decodeFrame } from '../../src/codec/peer.ts'
import { foundingMembers } from '../../src/protocol/membership.ts'
import { MessageType } from '../../src/protocol/messages.ts'
import { listsOf } from './client.ts'
import type { Place } from './place.ts'
import { add, ask, founded, joiner, reached, settled } from './steps.ts'
import { wiped } from './strangers.ts'

const DECIDING: readonly number[] = [
  MessageType.ask,
  MessageType.commit,
  MessageType.recover,
  MessageType.tryRecover,
  MessageType.validate,
]

/** Stories that mutants are hunted with. */
export const STORIES: { readonly [what: string]: () => Promise<void> } = {
  'a read that waits for the change sees what was written after it': waitingRead,
  'what a replica has in flight when it falls behind is unknown to it, and done once': left,
  'a new directory at the address of a replica that joined is not believed': otherDirectory,
}

/**
 * Replica 2 is replaced by replica 3. Only 0 and 3 learn of it at first, and go on; 1 and 2 have pre-accepted the
 * change and know no more. A read there waits for it, and must not be answered before the next epoch.
 */
async function waitingRead(): Promise<void> {
  const members = foundingMembers(['a:1', 'b:1', 'c:1'])
  let keeps = false
  const isKept = (from: number, to: number, frame: Uint8Array): boolean => {
    if (!keeps || from > 2 || to > 2 || epochOf(frame) !== 0) return false
    const types: number[] = []
    decodeFrame((unsealed(frame) as Unsealed).content, members, ({ type }) => types.push(type))
    return types.some((type) => DECIDING.includes(type))
  }
  const world = await founded(3, { network: { fate: (from, to, frame) => (isKept(from, to, frame) ? [] : [1]) } })
  const [zero, one] = world.places as [Place, Place]
  const three = await joiner(world)
  keeps = true
  for (const id of [1, 2]) {
    world.network.cut(3, id)
    world.network.cut(id, 3)
  }
  const change = zero.change({ kind: 'replace', id: 2, address: three.address })
  await reached(world, () => zero.directory.durableEpoch === 1, 'the change is executed')
  for (const id of [1, 2]) {
    world.network.cut(0, id)
    world.network.cut(id, 0)
  }
  assert.is(await settled(world, change), null)
  await reached(world, () => zero.ready && three.ready, 'the new members go on')
  assert.is(await settled(world, ask(zero, 'a k x')), '1')
  assert.is(one.epoch, 0)
  assert.ok(one.ready, String(one.seat?.notReady))
  const read = ask(one, 'r k')
  await world.run(20)
  keeps = false
  for (const id of [1, 2]) {
    world.network.heal(3, id)
    world.network.heal(id, 3)
  }
  assert.is(await settled(world, read), 'x')
}

/**
 * The others decide and execute what replica 2 has proposed, and replica 2 hears nothing of that before they are in the
 * next epoch. There is no session that would recognize the command.
 */
async function left(): Promise<void> {
  const world = await founded(3, { requestTimeoutMs: 60_000 })
  const [zero, one, two] = world.places as [Place, Place, Place]
  for (const id of [0, 1]) world.network.cut(id, 2)
  const answer = ask(two, 'a k x')
  await world.run(20)
  for (const id of [0, 1]) world.network.cut(2, id)
  const joined = await joiner(world)
  await reached(world, () => hasIt(zero) && hasIt(one), 'the others have executed it')
  assert.is(await settled(world, zero.change({ kind: 'add', address: joined.address })), null)
  await reached(world, () => zero.ready && one.ready && joined.ready, 'the others go on')
  assert.is(two.epoch, 0)
  for (const id of [0, 1]) {
    world.network.heal(id, 2)
    world.network.heal(2, id)
  }
  assert.is(await settled(world, answer), 'unknown timeout')
  await reached(world, () => two.ready, 'it follows')
  assert.is(await settled(world, ask(two, 'r k')), 'x')
}

/** Replica 3 joins, goes down, and a joiner with another directory is started in its place. */
async function otherDirectory(): Promise<void> {
  const world = await founded(3)
  const [zero] = world.places as [Place]
  const three = await add(world, zero)
  three.crash()
  const other = wiped(world, three)
  other.start()
  await world.run(3000)
  assert.equal(world.failures, [])
  assert.ok(world.watch.counters.get('strangers refused: amnesiac') > 0)
  assert.not.ok(other.ready)
  other.crash()
  three.start()
  await reached(world, () => three.ready, 'the true one takes part')
}

function hasIt(place: Place): boolean {
  return listsOf(place, ['k']).get('k')?.join() === 'x'
}
