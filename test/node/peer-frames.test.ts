import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sealedFrames } from '../../src/codec/frame.ts'
import { encodeMessage } from '../../src/codec/peer.ts'
import { Dropped } from '../../src/node/dropped.ts'
import { SILENT } from '../../src/node/logger.ts'
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

test('a frame of another epoch is counted and not handled, one that is damaged is not whole', () => {
  const drops: string[] = []
  const transport = { send: () => true, buffered: () => 0 }
  const dropped = (reason: string, what: string) => drops.push(`${reason}: ${what}`)
  const reader = new PeerFrames({ transport, members: members(3), behindBytes: 1000, dropped })
  const handled: AnyMessage[] = []
  const receive = (bytes: Uint8Array) => reader.receive(1, bytes, (_, message) => handled.push(message))
  const [own, other] = [0, 1].map((epoch) => sealedFrames([encodeMessage(acceptOk(1))], epoch)[0] as Uint8Array)
  assert.ok(receive(own as Uint8Array))
  assert.is(handled.length, 1)
  assert.ok(receive(other as Uint8Array))
  assert.equal([handled.length, drops], [1, ['epoch: from replica 1: a frame of epoch 1 in epoch 0']])
  const damaged = (own as Uint8Array).slice()
  damaged[4] = 1
  assert.not(receive(damaged))
  assert.equal([handled.length, drops[1]], [1, 'damaged: damaged frame from replica 1'])
})

test('what a member and its core drop of other epochs is one number', () => {
  const dropped = new Dropped(SILENT)
  dropped.add('epoch', 'a frame')
  dropped.add('damaged', 'a frame')
  const byCore = { epoch: 2, slot: 3, field: 0, heartbeat: 0, ballot: 0 }
  const { epoch, damaged, slot } = dropped.all(byCore as Parameters<Dropped['all']>[0])
  assert.equal([epoch, damaged, slot, dropped.count], [3, 1, 3, 2])
})

test.run()
