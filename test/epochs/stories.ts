import * as assert from 'uvu/assert'
import { epochOf, type Unsealed, unsealed } from '../../src/codec/frame.ts'
import { decodeFrame } from '../../src/codec/peer.ts'
import { foundingMembers } from '../../src/protocol/membership.ts'
import { MessageType } from '../../src/protocol/messages.ts'
import type { Place } from './place.ts'
import { ask, founded, joiner, reached, settled } from './steps.ts'

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
