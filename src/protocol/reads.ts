import type { Vector } from '../engine/engine.ts'
import { EVERYTHING, type Footprint } from '../engine/footprint.ts'
import { mayAnswerProbe } from './allowance.ts'
import { assert } from './assert.ts'
import type { Context } from './context.ts'
import { Command, MAX_PROBE_KEYS, MessageType, type Probe, type ProbeOk, type Writer } from './messages.ts'
import type { OpenProbe, Read, WaitingRead } from './open-reads.ts'
import { reachOf } from './reach.ts'
import { union, zeros } from './vector.ts'
import { addVote, countVotes, hasVote } from './votes.ts'

/**
 * Quorum reads (protocol.md §7): a linearizable read of one key that is no instance, journals nothing and delays no
 * writer. The reader asks all which instances write the key. It takes the highest slot of each row over n − f answers,
 * its own included, and waits until it has executed every instance up to there that writes the key. Then its own state
 * is new enough: whatever was answered before the read began is known at n − f replicas, so one of the answers names
 * it.
 */

/** Begins the reads with one probe for all, or several if they are too many. */
export function beginReads(context: Context, reads: readonly Read[]): void {
  for (let from = 0; from < reads.length; from += MAX_PROBE_KEYS) {
    beginProbe(context, reads.slice(from, from + MAX_PROBE_KEYS), false)
  }
}

/** Begins a read of everything. */
export function beginReadOfAll(context: Context, read: Read): void {
  assert(read.everything, 'a read of everything names no key')
  beginProbe(context, [read], true)
}

/** Begins a read that must see every instance up to `upTo` that writes its key. Nobody is asked. */
export function beginReadUpTo(context: Context, read: Read, upTo: Vector): void {
  settle(context, read, upTo)
}

function beginProbe(context: Context, reads: readonly Read[], everything: boolean): void {
  const { epoch, start } = context
  const number = ++context.reads.number
  const keys = everything ? NO_KEYS : keysOf(reads)
  const executed = context.executed.vector
  const probe: Probe = { type: MessageType.probe, epoch, start, number, keys, executed }
  const open: OpenProbe = {
    probe,
    reads,
    writers: writersBeyond(context, keys, executed),
    floor: context.dropped,
    answered: addVote(0, context.id),
    sentMs: context.nowMs,
  }
  if (isAnswered(context, open)) return finishProbe(context, open)
  context.reads.probes.set(number, open)
  for (const to of context.peers.others) context.sendFreely(to, probe)
}

const NO_KEYS = new Uint32Array(0)

function keysOf(reads: readonly Read[]): Uint32Array {
  const keys = new Uint32Array(2 * reads.length)
  for (const [i, { lo, hi }] of reads.entries()) {
    keys[2 * i] = lo
    keys[2 * i + 1] = hi
  }
  return keys
}

/**
 * The index of this replica as it is, durable or not: per key and row the highest slot that writes the key, in whatever
 * phase, unless the asker has executed it.
 */
function writersBeyond(context: Context, keys: Uint32Array, executed: Vector): Writer[] {
  const writers: Writer[] = []
  if (keys.length === 0) {
    for (const { row, highest: slot } of context.rows) {
      if (slot > (executed[row] as number)) writers.push({ key: 0, row, slot })
    }
    return writers
  }
  const found = context.engine.writersBeyond(keys, executed)
  for (let at = 0; at < found.length; at += 3) {
    const [key, row, slot] = [found[at] as number, found[at + 1] as number, found[at + 2] as number]
    writers.push({ key, row, slot })
  }
  return writers
}

export function onProbe(context: Context, from: number, message: Probe): void {
  const { epoch, start, number, keys, executed } = message
  if (epoch !== context.epoch) {
    context.counts.drops.epoch++
    return
  }
  if (!mayAnswerProbe(context, from, keys.length >>> 1)) return
  const writers = writersBeyond(context, keys, executed)
  context.sendFreely(from, { type: MessageType.probeOk, epoch, start, number, floor: context.dropped, writers })
}

/** Answers to a probe that is not open come too late, or were given to an earlier start. */
export function onProbeOk(context: Context, from: number, message: ProbeOk): void {
  if (!isProbeOkInRange(context, message)) {
    context.counts.drops[message.epoch === context.epoch ? 'field' : 'epoch']++
    return
  }
  const open = message.start === context.start ? context.reads.probes.get(message.number) : undefined
  if (open === undefined || hasVote(open.answered, from)) return
  const keys = open.reads.length
  const most = keys * context.quorums.replicas
  if (message.writers.length > most || message.writers.some(({ key }) => key >= keys)) {
    context.counts.drops.field++
    return
  }
  open.answered = addVote(open.answered, from)
  open.floor = union(open.floor, message.floor)
  for (const writer of message.writers) open.writers.push(writer)
  if (!isAnswered(context, open)) return
  context.reads.probes.delete(message.number)
  finishProbe(context, open)
}

function isProbeOkInRange(context: Context, { epoch, floor, writers }: ProbeOk): boolean {
  if (epoch !== context.epoch) return false
  return (
    floor.every((slot, row) => slot <= reachOf(context, row)) &&
    writers.every(({ row, slot }) => slot <= reachOf(context, row))
  )
}

/** Any two sets of n − f replicas meet. */
function isAnswered(context: Context, { answered }: OpenProbe): boolean {
  return countVotes(answered) >= context.quorums.slow
}

function finishProbe(context: Context, { reads, writers, floor }: OpenProbe): void {
  const upTo = new Map<number, number[]>()
  for (const { key, row, slot } of writers) {
    let vector = upTo.get(key)
    if (vector === undefined) {
      vector = [...floor]
      upTo.set(key, vector)
    }
    if (slot > (vector[row] as number)) vector[row] = slot
    // All slots up to there are asked for, and recovered, if nobody finishes them.
    context.row(row).mention(slot)
  }
  const isCovered = floor.every((slot, row) => slot <= context.executed.prefix(row))
  for (let key = 0; key < reads.length; key++) {
    const read = reads[key] as Read
    const vector = upTo.size === 0 ? undefined : upTo.get(key)
    if (vector !== undefined || !isCovered) settle(context, read, vector ?? floor)
    else {
      context.counts.reads++
      context.answer(read)
    }
  }
}

function settle(context: Context, read: Read, upTo: Vector): void {
  context.counts.reads++
  const waiting = { read, upTo, row: 0, slot: 0 }
  if (goOn(context, waiting)) return
  context.counts.readsWaited++
  const { row, slot } = waiting
  if (context.find(row, slot)?.known !== true) context.counts.readsBlocked++
}

/** Finishes the read if nothing is in its way, otherwise lets it wait for the first instance that is. */
function goOn(context: Context, waiting: WaitingRead): boolean {
  const { read } = waiting
  if (!seesAll(context, waiting)) {
    const { row, slot } = waiting
    const readers = context.reads.waiting[row] as Map<number, WaitingRead[]>
    const others = readers.get(slot)
    if (others === undefined) readers.set(slot, [waiting])
    else others.push(waiting)
    return false
  }
  context.answer(read)
  return true
}

/** Whether all slots up to `upTo` are settled; goes to the first one that is not. */
function seesAll(context: Context, waiting: WaitingRead): boolean {
  const { read, upTo } = waiting
  let known: Vector | null = null
  for (; waiting.row < upTo.length; waiting.row++, waiting.slot = 0) {
    const last = upTo[waiting.row] as number
    const executed = context.executed.prefix(waiting.row)
    for (waiting.slot = Math.max(waiting.slot, executed + 1); waiting.slot <= last; waiting.slot++) {
      known ??= read.everything ? zeros(upTo.length) : context.engine.writers(read.lo, read.hi)
      const isBeyond = waiting.slot > (known[waiting.row] as number)
      if (!isSettled(context, waiting, isBeyond)) return false
    }
  }
  return true
}

/**
 * Whether the read need not wait for the instance: it has executed, it is a no-op, or it does not write the key. An
 * unknown payload may be the write that the read must see, also if a later slot that is known became a no-op.
 * @param beyond the instance comes after all of its row that are known to write the key
 */
function isSettled(context: Context, { read, row, slot }: WaitingRead, beyond: boolean): boolean {
  if (context.executed.has(row, slot)) return true
  const instance = context.find(row, slot)
  if (instance === undefined) return false
  if (instance.committed && instance.command === Command.noop) return true
  if (!instance.known || read.everything) return false
  return beyond || !writes(instance.batch?.footprint as Footprint, read)
}

function writes(footprint: Footprint, { lo, hi }: Read): boolean {
  const header = footprint[0] as number
  if (header >= EVERYTHING) return true
  for (let i = 1; i <= 2 * header; i += 2) if (footprint[i] === lo && footprint[i + 1] === hi) return true
  return false
}

/** The instance has executed, became a no-op, or its payload became known: reads that waited for it go on. */
export function wakeReads(context: Context, row: number, slot: number): void {
  const readers = context.reads.waiting[row] as Map<number, WaitingRead[]>
  if (readers.size === 0) return
  const waiting = readers.get(slot)
  if (waiting === undefined) return
  readers.delete(slot)
  for (const each of waiting) if (each.read.wanted) goOn(context, each)
}

/** At an interval: sends unanswered probes again, under their old numbers, and forgets what nobody wants any more. */
export function lookAfterReads(context: Context): void {
  if (context.nowMs < context.reads.lookMs) return
  context.reads.lookMs = context.nowMs + context.timing.retryMs
  for (const [number, open] of context.reads.probes) {
    if (!open.reads.some(({ wanted }) => wanted)) context.reads.probes.delete(number)
    else if (context.nowMs >= open.sentMs + context.timing.retryMs) {
      open.sentMs = context.nowMs
      for (const to of context.peers.others) probeAgain(context, open, to)
    }
  }
  for (const readers of context.reads.waiting) {
    for (const [slot, waiting] of readers) {
      const wanted = waiting.filter(({ read }) => read.wanted)
      if (wanted.length === 0) readers.delete(slot)
      else if (wanted.length < waiting.length) readers.set(slot, wanted)
    }
  }
}

/** A link is up: what was sent before may be lost. */
export function probePeer(context: Context, to: number): void {
  for (const open of context.reads.probes.values()) probeAgain(context, open, to)
}

function probeAgain(context: Context, { probe, answered }: OpenProbe, to: number): void {
  if (!hasVote(answered | context.peers.behind, to)) context.sendFreely(to, probe)
}
