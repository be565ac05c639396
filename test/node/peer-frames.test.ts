import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PeerFrames } from '../../src/node/peer-frames.ts'
import type { Envelope } from '../../src/protocol/effects.ts'
import { type AcceptOk, type AnyMessage, MessageType } from '../../src/protocol/messages.ts'
import { members } from '../support/members.ts'

const test = suite('frames of a turn')

const acceptOk = (slot: number): AcceptOk => ({ type: MessageType.acceptOk, epoch: 1, row: 0, slot, ballot: 7 })

/** The frames that each peer of replica 0 gets in one turn, by id. */
function sent(messages: readonly Envelope[]): Map<number, Uint8Array[]> {
  const got = new Map<number, Uint8Array[]>()
  const frames = framesTo((peer, frame) => got.set(peer, [...(got.get(peer) ?? []), frame]))
  frames.add(messages)
  frames.send()
  return got
}

function framesTo(send: (peer: number, frame: Uint8Array) => void): PeerFrames {
  const transport = {
    send(peer: number, frame: Uint8Array) {
      send(peer, frame)
      return true
    },
    buffered: () => 0,
  }
  return new PeerFrames({ transport, members: members(3), behindBytes: 1000, dropped: () => assert.unreachable() })
}

function slotsOf(frames: readonly Uint8Array[] = []): number[] {
  const slots: number[] = []
  const reader = framesTo(() => {})
  for (const frame of frames)
    reader.receive(0, frame, (_, message: AnyMessage) => slots.push((message as AcceptOk).slot))
  return slots
}

test('peers that get the same messages get the same frame, made once', () => {
  const [first, second] = [acceptOk(1), acceptOk(2)]
  const got = sent([first, second].flatMap((message) => [1, 2].map((to) => ({ to, message }))))
  assert.equal(slotsOf(got.get(1)), [1, 2])
  assert.is(got.get(2)?.[0], got.get(1)?.[0])
})

test('peers that get other messages, more of them, or the same in another order get their own', () => {
  const [first, second] = [acceptOk(1), acceptOk(2)]
  const cases: readonly (readonly [readonly AcceptOk[], readonly AcceptOk[]])[] = [
    [[first], [second]],
    [[first], [first, second]],
    [[first, second], [first]],
    [
      [first, second],
      [second, first],
    ],
    [[], [first]],
  ]
  for (const [one, other] of cases) {
    const to = (peer: number, messages: readonly AcceptOk[]) => messages.map((message) => ({ to: peer, message }))
    const got = sent([...to(1, one), ...to(2, other)])
    assert.equal(
      [slotsOf(got.get(1)), slotsOf(got.get(2))],
      [one, other].map((list) => list.map(({ slot }) => slot)),
    )
  }
})

test.run()
