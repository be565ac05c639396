import type { Context } from './context.ts'
import { floorToSay, raiseFloor } from './floor.ts'
import { type Heartbeat, MessageType } from './messages.ts'
import { isHeartbeatInRange } from './ranges.ts'
import { believeClaims } from './reach.ts'
import { compareStates, stateToSay } from './states.ts'
import { union } from './vector.ts'

/** Weight of a new round-trip measurement in the smoothed one. */
const SMOOTHING = 1 / 8

export function sendHeartbeats(context: Context): void {
  if (context.nowMs < context.heartbeatMs) return
  context.heartbeatMs = context.nowMs + context.timing.heartbeatMs
  raiseFloor(context, context.floor)
  const committed = context.rows.map((row) => row.committedPrefix)
  const executed = context.durably.set.vector
  const journal = context.durable
  const state = stateToSay(context)
  // Of the last heartbeat: a proposal that was made before that one may still wait for its journal value.
  const floor = context.saidFloor
  context.saidFloor = floorToSay(context)
  for (const to of context.peers.others) {
    const peer = context.peers.of(to)
    const echoMs = peer.sentMs === 0 ? 0 : peer.sentMs + (context.nowMs - peer.heartbeatMs)
    const { epoch, nowMs } = context
    context.sendFreely(to, {
      type: MessageType.heartbeat,
      epoch,
      sentMs: nowMs,
      echoMs,
      committed,
      executed,
      floor,
      journal,
      state,
    })
  }
}

export function onHeartbeat(context: Context, from: number, message: Heartbeat): void {
  if (!isHeartbeatInRange(context, message)) {
    context.counts.drops.heartbeat++
    return
  }
  const peer = context.peers.of(from)
  peer.sentMs = message.sentMs
  peer.heartbeatMs = context.nowMs
  peer.committed = message.committed
  peer.executed = union(peer.executed, message.executed)
  peer.floor = union(peer.floor, message.floor)
  raiseFloor(context, message.floor)
  peer.journal = Math.max(peer.journal, message.journal)
  compareStates(context, from, message)
  if (message.echoMs > 0) {
    const measured = Math.max(0, context.nowMs - message.echoMs)
    peer.roundTripMs = peer.roundTripMs === 0 ? measured : peer.roundTripMs + (measured - peer.roundTripMs) * SMOOTHING
  }
  peer.patience.forget()
  believeClaims(context)
}

/** Peers that have just become silent for too long. */
export function suspect(context: Context): number[] {
  const silent: number[] = []
  for (const id of context.peers.others) {
    const peer = context.peers.of(id)
    if (!peer.alive || context.nowMs - peer.heardMs <= peer.patience.ms) continue
    peer.alive = false
    silent.push(id)
  }
  return silent
}
