import type { Membership } from '../protocol/membership.ts'
import { type AnyMessage, MessageType } from '../protocol/messages.ts'
import { eachMessage } from './frame.ts'
import { peerLayout } from './generated/peer/layout.ts'
import { buildMessage } from './peer-build.ts'
import {
  readDirect,
  writeAcceptOk,
  writeDecision,
  writeHeartbeat,
  writePreAccept,
  writePreAcceptOk,
  writeProbe,
} from './peer-direct.ts'
import { readGenerated } from './peer-generated.ts'
import { Reader } from './reader.ts'
import { verify } from './verify.ts'
import { Writer } from './writer.ts'

const writer = new Writer()

/**
 * One message with its size in front, ready for {@link frame}. The caller owns the bytes and nothing changes them:
 * encode a message once, send it to every peer. Throws `too_large` for a batch or list beyond the limits (limits.ts).
 */
export function encodeMessage(message: AnyMessage): Uint8Array {
  switch (message.type) {
    case MessageType.preAccept:
      begin()
      writePreAccept(writer, message)
      return finished()
    case MessageType.preAcceptOk:
      begin()
      writePreAcceptOk(writer, message)
      return finished()
    case MessageType.accept:
    case MessageType.commit:
      begin()
      writeDecision(writer, message)
      return finished()
    case MessageType.acceptOk:
      begin()
      writeAcceptOk(writer, message)
      return finished()
    case MessageType.heartbeat:
      begin()
      writeHeartbeat(writer, message)
      return finished()
    case MessageType.probe:
      begin()
      writeProbe(writer, message)
      return finished()
    default:
      return buildMessage(message)
  }
}

/**
 * Calls `handle` with each message of a frame between the members, in order. Throws `malformed` at the first invalid
 * message: the messages before it were handled, that one and those after it were not. The messages keep no reference to
 * `bytes`, which may be a Buffer and start at any offset.
 */
export function decodeFrame(bytes: Uint8Array, members: Membership, handle: (message: AnyMessage) => void): void {
  const reader = new Reader(bytes, members.quorums.replicas)
  eachMessage(reader.view, (start, end) => handle(decode(reader, start, end)))
}

function decode(reader: Reader, start: number, end: number): AnyMessage {
  const direct = readDirect(reader, start, end)
  if (direct !== null) return direct
  verify(reader.view, start, end, peerLayout)
  return readGenerated(reader.bytes.subarray(start, end), reader.replicas)
}

/** Reserves the word for the size, which {@link finished} fills in. */
function begin(): void {
  writer.clear()
  writer.reserve(1)
  writer.word(0)
}

function finished(): Uint8Array {
  writer.patch(0, 4 * (writer.length - 1))
  return writer.view()
}
