import { Builder } from 'flatbuffers'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { buildBatch, buildVector, buildWhole } from '../../src/codec/accessors.ts'
import { decodeFromClient, encodeRequest } from '../../src/codec/client.ts'
import { Instance } from '../../src/codec/generated/common/instance.ts'
import { peerLayout } from '../../src/codec/generated/peer/layout.ts'
import { PeerMessage } from '../../src/codec/generated/peer/peer-message.ts'
import { PreAccept as PreAcceptBody } from '../../src/codec/generated/peer/pre-accept.ts'
import { Validate as ValidateBody } from '../../src/codec/generated/peer/validate.ts'
import { Waiting as WaitingBody } from '../../src/codec/generated/peer/waiting.ts'
import { MAX_BATCH_BYTES, MAX_FOOTPRINT_WORDS, MAX_GROUP_BYTES } from '../../src/codec/limits.ts'
import { decodeFrame, encodeMessage } from '../../src/codec/peer.ts'
import { verify } from '../../src/codec/verify.ts'
import { EpaxosError } from '../../src/errors.ts'
import { type Message, MessageType } from '../../src/protocol/messages.ts'
import { members } from '../support/members.ts'

const test = suite('verifier')

const about = { epoch: 0, row: 0, slot: 1 }
const nack = encodeMessage({ type: MessageType.nack, ...about, ballot: 4 }).slice(4)

function refusedAs(what: RegExp) {
  return (error: unknown) => error instanceof EpaxosError && error.code === 'malformed' && what.test(error.message)
}

/** Verifies a Nack after `change`, which gets the positions of its root table, its body and the vtable of the body. */
function changed(change: (view: DataView, at: { root: number; body: number; vtable: number }) => void): () => void {
  const view = new DataView(nack.slice().buffer)
  const root = view.getUint32(0, true)
  const rootVtable = root - view.getInt32(root, true)
  const field = root + view.getUint16(rootVtable + 6, true)
  const body = field + view.getUint32(field, true)
  change(view, { root, body, vtable: body - view.getInt32(body, true) })
  return () => verify(view, 0, view.byteLength, peerLayout)
}

test('a valid message passes, and one of another schema does not', () => {
  changed(() => {})()
  assert.throws(
    changed((view) => view.setUint8(7, 'J'.charCodeAt(0))),
    refusedAs(/another kind/),
  )
})

test('tables and vtables lie within the message, and in their places', () => {
  const cases: [RegExp, Parameters<typeof changed>[0]][] = [
    [/PeerMessage is out of place/, (view) => view.setUint32(0, view.byteLength, true)],
    [/PeerMessage is out of place/, (view, { root }) => view.setUint32(0, root + 2, true)],
    [/Nack's vtable is out of place/, (view, { body }) => view.setInt32(body, body + 4, true)],
    [/Nack's vtable is out of place/, (view, { body }) => view.setInt32(body, body - view.byteLength, true)],
    [/Nack's vtable is out of place/, (view, { body }) => view.setInt32(body, view.getInt32(body, true) + 1, true)],
    [/Nack's vtable is cut/, (view, { vtable }) => view.setUint16(vtable, 2, true)],
    [/Nack's vtable is cut/, (view, { vtable }) => view.setUint16(vtable, 7, true)],
    [/Nack's vtable is cut/, vtableAtTheEnd],
    [/Nack has unknown fields/, (view, { vtable }) => view.setUint16(vtable, 10, true)],
    [/Nack is cut/, (view, { vtable }) => view.setUint16(vtable + 2, 1000, true)],
  ]
  for (const [what, change] of cases) assert.throws(changed(change), refusedAs(what), String(what))
})

/** The vtable of the body begins with the last word of the message and claims to be longer. */
function vtableAtTheEnd(view: DataView, { body }: { body: number }): void {
  const vtable = view.byteLength - 4
  view.setInt32(body, body - vtable, true)
  view.setUint16(vtable, 8, true)
  view.setUint16(vtable + 2, 28, true)
}

test('fields lie within their table, aligned, and the required ones are there', () => {
  const cases: [RegExp, Parameters<typeof changed>[0]][] = [
    [/about is missing/, (view, { vtable }) => view.setUint16(vtable + 4, 0, true)],
    [/about is outside its table/, (view, { vtable }) => view.setUint16(vtable + 4, 2, true)],
    [/ballot is outside its table/, (view, { vtable }) => view.setUint16(vtable + 6, 24, true)],
    [/ballot is not aligned/, (view, { vtable }) => view.setUint16(vtable + 6, 6, true)],
  ]
  for (const [what, change] of cases) assert.throws(changed(change), refusedAs(what), String(what))
})

/**
 * A canonical message whose last vector claims, and has, `length` elements, all zero; `counter` is the position of the
 * claim.
 */
function longer(encoded: Uint8Array, counter: number, length: number, size: number): Uint8Array {
  const bytes = new Uint8Array(counter + 4 + ((length * size + 3) & ~3))
  bytes.set(encoded.subarray(0, counter))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, bytes.length - 4, true)
  view.setUint32(counter, length, true)
  return bytes
}

test('vectors beyond their limit are refused, however much room the frame has', () => {
  const request = encodeRequest(1, new Uint8Array(0))
  const groups: number[] = []
  const read = (length: number) => () =>
    decodeFromClient(longer(request, request.length - 4, length, 1), (message) => {
      if ('group' in message) groups.push(message.group.length)
    })
  read(MAX_GROUP_BYTES)()
  assert.throws(read(MAX_GROUP_BYTES + 1), refusedAs(/group: 4194305 elements are more than 4194304/))
  assert.equal(groups, [MAX_GROUP_BYTES])

  const batch = { footprint: Uint32Array.of(0), commands: new Uint8Array(0) }
  const message: Message = { type: MessageType.preAccept, ...about, mode: 0, initDeps: [0], batch }
  const encoded = encodeMessage(message)
  const commands = longer(encoded, encoded.length - 4, MAX_BATCH_BYTES + 1, 1)
  assert.throws(() => decodeFrame(commands, members(1), () => {}), refusedAs(/commands: .* more than/))
  const footprint = built(MessageType.preAccept, (builder) => {
    const [, commandsAt] = buildBatch(builder, batch)
    builder.startVector(4, MAX_FOOTPRINT_WORDS + 2, 4)
    for (let i = 0; i < MAX_FOOTPRINT_WORDS + 2; i++) builder.addInt32(0)
    return preAccept(builder, builder.endVector(), commandsAt, 0)
  })
  assert.throws(() => decodeFrame(footprint, members(1), () => {}), refusedAs(/footprint: .* more than/))
})

function built(type: MessageType, body: (builder: Builder) => number): Uint8Array {
  const builder = new Builder(256)
  const root = PeerMessage.createPeerMessage(builder, type, body(builder))
  PeerMessage.finishSizePrefixedPeerMessageBuffer(builder, root)
  return builder.asUint8Array().slice()
}

function preAccept(builder: Builder, footprint: number, commands: number, quorum: number): number {
  const deps = buildVector(builder, [0])
  PreAcceptBody.startPreAccept(builder)
  PreAcceptBody.addAbout(builder, Instance.createInstance(builder, 0, 0, 1, 0))
  PreAcceptBody.addInitDeps(builder, deps)
  PreAcceptBody.addFootprint(builder, footprint)
  PreAcceptBody.addCommands(builder, commands)
  PreAcceptBody.addQuorum(builder, quorum)
  return PreAcceptBody.endPreAccept(builder)
}

test('fields of the thrifty mode are refused in this version', () => {
  const batch = { footprint: Uint32Array.of(0), commands: new Uint8Array(0) }
  const thrifty = [
    built(MessageType.preAccept, (builder) => {
      const [footprint, commands] = buildBatch(builder, batch)
      return preAccept(builder, footprint, commands, builder.createByteVector(Uint8Array.of(0)))
    }),
    built(MessageType.validate, (builder) => {
      const [footprint, commands] = buildBatch(builder, batch)
      const deps = buildVector(builder, [0])
      ValidateBody.startValidate(builder)
      ValidateBody.addAbout(builder, Instance.createInstance(builder, 0, 0, 1, 0))
      ValidateBody.addBallot(builder, buildWhole(builder, 1))
      ValidateBody.addDeps(builder, deps)
      ValidateBody.addFootprint(builder, footprint)
      ValidateBody.addCommands(builder, commands)
      ValidateBody.addInitDeps(builder, deps)
      return ValidateBody.endValidate(builder)
    }),
    built(MessageType.waiting, (builder) => {
      const deps = buildVector(builder, [0])
      WaitingBody.startWaiting(builder)
      WaitingBody.addAbout(builder, Instance.createInstance(builder, 0, 0, 1, 0))
      WaitingBody.addDeps(builder, deps)
      return WaitingBody.endWaiting(builder)
    }),
  ]
  for (const bytes of thrifty)
    assert.throws(() => decodeFrame(bytes, members(1), () => {}), refusedAs(/is not known here/))
})

test.run()
