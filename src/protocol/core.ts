import type { InstanceId, Vector } from '../engine/engine.ts'
import { onAccept, onAcceptOk } from './accept.ts'
import { assert } from './assert.ts'
import { onCommit } from './commit.ts'
import { Context, type CoreOptions, type Counts } from './context.ts'
import type { Effects } from './effects.ts'
import type { ExecutedSet } from './executed.ts'
import { forget, type Holder, holderOf } from './floor.ts'
import { lackingFrom, onTruncated, peersWithCheckpoint } from './forgotten.ts'
import { onHeartbeat, sendHeartbeats, suspect } from './heartbeat.ts'
import { Image, type ImageHead, type ImagePart, restore } from './image.ts'
import { type Installed, install } from './install.ts'
import type { Instance } from './instance.ts'
import { hurry, lookAfter, onAsk, onNack, onTryRecover, tryAnew } from './liveness.ts'
import { type Batch, Command, type Message, MessageType } from './messages.ts'
import type { Read } from './open-reads.ts'
import { onPreAccept, onPreAcceptOk, propose } from './preaccept.ts'
import type { Quorums } from './quorums.ts'
import { whyOutOfRange } from './ranges.ts'
import { followRows } from './reach.ts'
import {
  beginReadOfAll,
  beginReads,
  beginReadUpTo,
  lookAfterReads,
  onProbe,
  onProbeOk,
  probePeer,
  wakeReads,
} from './reads.ts'
import type { InstanceRecord, MemberRecord } from './records.ts'
import { onRecover, onRecoverOk } from './recover.ts'
import { replay } from './replay.ts'
import { onValidate, onValidateOk } from './validate.ts'
import type { Votes } from './votes.ts'
import { onWaiting, reconsiderWaits } from './wait.ts'

/**
 * One replica's part in the protocol, as a pure state machine: no sockets, disks, clocks or randomness of its own. The
 * driver's whole loop:
 *
 *     for (const part of the last checkpoint, if there is one) core.restore(part)
 *     for (const { number, value } of journal.scan(1 or the number behind it)) {
 *       decode(value, (record, index) => core.replay(record, number, index))
 *     }
 *     core.start(journal.last, nowMs)
 *     once all members have met, now or later: core.found()
 *     each turn:
 *       core.linksBehind(peers); core.tick(nowMs); core.receive(from, message)…; core.propose(batch)…
 *       const { records, number, messages, commits, rejected } = core.take()
 *       journal `records` as value `number`, send `messages`, give `commits` to the execution,
 *       propose what was `rejected` again
 *     when the journal is durable up to n: core.durable(n), and another turn
 *     when an instance has executed: core.markExecuted(row, slot)
 *
 * Sources: protocol.md §1–6 and §9; the README of this folder has the tables.
 */
export class Core {
  readonly #context: Context
  #started = false

  constructor(options: CoreOptions) {
    this.#context = new Context(options)
    this.#context.onCommitted = reconsiderWaits
  }

  get id(): number {
    return this.#context.id
  }

  get quorums(): Quorums {
    return this.#context.quorums
  }

  get counts(): Readonly<Counts> {
    return this.#context.counts
  }

  /** Whether this replica takes part. */
  get founded(): boolean {
    return this.#context.founded
  }

  /** Whether enough members are up to commit anything. */
  get hasQuorum(): boolean {
    return this.#context.founded && this.#context.peers.live >= this.#context.quorums.slow
  }

  /** Whether the disk makes nothing durable: the replica sends nothing and finishes nothing until it is back. */
  get isDiskHung(): boolean {
    return this.#context.isDiskHung
  }

  alive(peer: number): boolean {
    return this.#context.peers.alive(peer)
  }

  /** Per row: the highest slot that has executed here. */
  get frontier(): Vector {
    return this.#context.executed.frontier
  }

  /** Per row: every slot up to here is committed here. */
  get committed(): number[] {
    return this.#context.rows.map((row) => row.committedPrefix)
  }

  /** What has executed here. */
  get executed(): ExecutedSet {
    return this.#context.executed
  }

  /** Per row: every slot up to here has executed, durably, at every member, as far as is known here. */
  get floor(): Vector {
    return this.#context.floor
  }

  /** Per row: every slot up to here is forgotten. */
  get dropped(): Vector {
    return this.#context.dropped
  }

  /** Committed instances that are not forgotten. */
  get heldInstances(): number {
    const { rows } = this.#context
    return rows.reduce((sum, row) => sum + row.committedPrefix - row.dropped, 0)
  }

  /** See {@link holderOf}. */
  get holder(): Holder | null {
    return holderOf(this.#context)
  }

  /**
   * The peers that have forgotten what is still open here: this replica is behind, and needs a checkpoint of one of
   * them.
   */
  get peersWithCheckpoint(): number[] {
    return peersWithCheckpoint(this.#context)
  }

  /** What one of {@link peersWithCheckpoint} has forgotten and is still open here; null for another peer. */
  lackingFrom(peer: number): InstanceId | null {
    return lackingFrom(this.#context, peer)
  }

  /** Every own slot up to here is in use. */
  get slot(): number {
    return this.#context.slot
  }

  instance(row: number, slot: number): Instance | undefined {
    return this.#context.rows[row]?.find(slot)
  }

  /** How long the oldest known uncommitted instance has been known, in ms; 0 if there is none. */
  get oldestUncommittedMs(): number {
    const { rows, nowMs } = this.#context
    let oldest = 0
    for (const row of rows) {
      const open = row.committedPrefix < row.highest ? row.find(row.committedPrefix + 1) : undefined
      if (open !== undefined && open.noticedMs > 0) oldest = Math.max(oldest, nowMs - open.noticedMs)
    }
    return oldest
  }

  /** Gives a record back, in the order of the journal, before {@link start}. {@link take} returns its commits. */
  replay(record: InstanceRecord, number: number, index: number): void {
    assert(!this.#started, 'records are replayed before the start')
    replay(this.#context, record, number, index)
  }

  /**
   * The core's part in a checkpoint, as of now (protocol.md §10); {@link Image.release} it. It contains the journal up
   * to the last value that {@link take} returned: the checkpoint counts once the journal is durable up to there.
   */
  image(): Image {
    assert(this.#started, 'an image is made after the start')
    return new Image(this.#context)
  }

  /**
   * The lowest journal value that holds a batch which some member has not executed durably, as far as is known here: it
   * may ask for it (protocol.md §10). Infinity if there is none.
   */
  get oldestOwedValue(): number {
    const { rows, durably, peers } = this.#context
    let lowest = Number.POSITIVE_INFINITY
    for (const { row, kept, open } of rows) {
      let everywhere = durably.set.prefix(row)
      for (const peer of peers.others) everywhere = Math.min(everywhere, peers.of(peer).executed[row] as number)
      lowest = Math.min(lowest, kept.lowestValueAfter(everywhere))
      for (const { batchNumber } of open) if (batchNumber > 0) lowest = Math.min(lowest, batchNumber)
    }
    return lowest
  }

  /** Takes over a part of an image, in order, before the first {@link replay} of what the journal holds behind it. */
  restore(part: ImagePart): void {
    assert(!this.#started, 'a checkpoint is taken over before the start')
    restore(this.#context, part)
  }

  /**
   * Takes over what has executed at a peer, from its image (protocol.md §10); the execution takes over its state in the
   * same moment, between two components. Nothing of it is announced before {@link settled}.
   */
  install(parts: Iterable<ImagePart>): Installed {
    assert(this.#started, 'a checkpoint is installed after the start')
    return install(this.#context, parts)
  }

  /** Whether what was installed is not durable yet. */
  get unsettled(): boolean {
    return this.#context.durably.held
  }

  /** A checkpoint that was begun after the install, and holds this, is whole and synced. */
  settled({ executed, beyond }: Pick<ImageHead, 'executed' | 'beyond'>): void {
    this.#context.durably.settle(executed, beyond)
  }

  /** `number` is the last of the journal. */
  start(number: number, nowMs: number): void {
    this.#started = true
    this.#context.resumeAt(number)
    this.tick(nowMs)
  }

  /**
   * All members have durably recorded who they are, so that nobody can come back without its votes unnoticed
   * (protocol.md §9). Until then this replica proposes, promises, votes and recovers nothing, and is silent, so that
   * nobody waits for it.
   */
  found(): void {
    this.#context.founded = true
  }

  /**
   * Proposes a batch as one instance. It becomes durable, is sent, and eventually comes out committed (or rejected).
   */
  propose(batch: Batch): Instance {
    assert(this.#started, 'nothing is proposed before the start')
    assert(this.#context.founded, 'nothing is proposed before the founding')
    return propose(this.#context, batch)
  }

  /**
   * Begins linearizable reads of one key each (protocol.md §7), which must have arrived before. Each comes out of
   * {@link take} when the state of this replica may be read for it; one that finds no quorum never does.
   */
  read(reads: readonly Read[]): void {
    this.#mayRead()
    beginReads(this.#context, reads)
  }

  /** Begins a linearizable read of everything: it comes out when everything answered before has executed here. */
  readAll(read: Read): void {
    this.#mayRead()
    beginReadOfAll(this.#context, read)
  }

  /**
   * Begins a read of one key that must see every instance up to the vector that writes the key. Nobody is asked, so it
   * may miss what was answered elsewhere.
   */
  readUpTo(read: Read, upTo: Vector): void {
    this.#mayRead()
    beginReadUpTo(this.#context, read, upTo)
  }

  #mayRead(): void {
    assert(this.#started, 'nothing is read before the journal is replayed')
    assert(this.#context.founded, 'nothing is read before the founding')
  }

  receive(from: number, message: Message): void {
    const context = this.#context
    assert(this.#started, 'nothing is answered before the journal is replayed')
    const peer = context.peers.of(from)
    if (!peer.alive && peer.linked) {
      peer.alive = true
      context.counts.falseSuspicions++
      peer.patience.suspectedInVain(context.nowMs - peer.heardMs)
      tryAnew(context)
    }
    peer.heardMs = context.nowMs
    if (message.type === MessageType.heartbeat) return onHeartbeat(context, from, message)
    // From a founded peer that does not know yet that this replica is not founded: it sends again.
    if (!context.founded) return
    if (message.type === MessageType.probe) return onProbe(context, from, message)
    if (message.type === MessageType.probeOk) return onProbeOk(context, from, message)
    const outOfRange = whyOutOfRange(context, from, message)
    if (outOfRange !== null) {
      context.counts.drops[outOfRange]++
      return
    }
    switch (message.type) {
      case MessageType.preAccept:
        return onPreAccept(context, from, message)
      case MessageType.preAcceptOk:
        return onPreAcceptOk(context, from, message)
      case MessageType.accept:
        return onAccept(context, from, message)
      case MessageType.acceptOk:
        return onAcceptOk(context, from, message)
      case MessageType.commit:
        return onCommit(context, from, message)
      case MessageType.recover:
        return onRecover(context, from, message)
      case MessageType.recoverOk:
        return onRecoverOk(context, from, message)
      case MessageType.validate:
        return onValidate(context, from, message)
      case MessageType.validateOk:
        return onValidateOk(context, from, message)
      case MessageType.waiting:
        return onWaiting(context, from, message)
      case MessageType.nack:
        return onNack(context, from, message)
      case MessageType.tryRecover:
        return onTryRecover(context, from, message)
      case MessageType.ask:
        return onAsk(context, from, message)
      case MessageType.truncated:
        return onTruncated(context, from, message)
    }
  }

  /** Time has advanced; `nowMs` never goes back. Called at least every few ms while something is open. */
  tick(nowMs: number): void {
    const context = this.#context
    const pausedMs = nowMs - context.nowMs
    context.nowMs = Math.max(context.nowMs, nowMs)
    // This replica was stopped; its peers were not silent: their messages are still to be read.
    if (pausedMs > context.timing.suspectMs) {
      context.peers.excuse(context.nowMs)
      context.excuseDisk()
    }
    for (const peer of suspect(context)) hurry(context, peer)
    if (!context.founded) return
    sendHeartbeats(context)
    followRows(context)
    forget(context)
    // Without a disk nothing can be finished.
    if (!context.isDiskHung) {
      lookAfter(context)
      lookAfterReads(context)
    }
  }

  /** The journal is durable up to value `number`: {@link take} returns what waited for it. */
  durable(number: number): void {
    this.#context.releaseUpTo(number)
  }

  /** Calls `action` when the journal is durable up to value `number`: at once if it is. */
  afterDurable(number: number, action: () => void): void {
    this.#context.afterDurable(number, action)
  }

  linkUp(peer: number): void {
    const p = this.#context.peers.of(peer)
    const isBack = !p.alive
    p.linked = true
    p.alive = true
    p.heardMs = this.#context.nowMs
    if (isBack) tryAnew(this.#context)
    // How far this replica is comes first: it tells the peer what to believe of everything that follows (reach.ts).
    this.#context.heartbeatMs = Math.min(this.#context.heartbeatMs, this.#context.nowMs)
    probePeer(this.#context, peer)
  }

  linkDown(peer: number): void {
    const p = this.#context.peers.of(peer)
    p.linked = false
    p.patience.reset()
    if (!p.alive) return
    p.alive = false
    hurry(this.#context, peer)
  }

  /** Peers to which much of what was sent is still on its way: nothing is sent to them again in the meantime. */
  linksBehind(peers: Votes): void {
    this.#context.peers.behind = peers
  }

  /** The journal is durable up to this value. */
  get durableNumber(): number {
    return this.#context.durable
  }

  /** The batch of a committed instance that is about to execute; null for a no-op. */
  batchToExecute(row: number, slot: number): Batch | null {
    const instance = this.#context.find(row, slot)
    const isDue = instance?.committed === true && !this.#context.executed.has(row, slot)
    assert(isDue, `${row}.${slot} is committed and not executed`)
    if (instance.command === Command.noop) return null
    assert(instance.batch !== null, `the batch of ${instance} is in memory until it executes`)
    return instance.batch
  }

  /** The instance has executed here: its batch leaves memory, now or when every member has executed it. */
  markExecuted(row: number, slot: number): void {
    const context = this.#context
    const instance = context.find(row, slot)
    assert(instance?.committed === true, `${row}.${slot} is executed after its commit`)
    const batch = instance.command === Command.batch ? instance.batch : null
    context.executed.add(row, slot)
    context.durably.executed(row, slot, instance.comNumber)
    // The journal before a checkpoint is gone, and with it the batches of what was open then.
    const isInJournal = context.readBatch !== null && instance.batchNumber > 0
    context.row(row).keep(instance, isInJournal ? null : batch)
    wakeReads(context, row, slot)
  }

  /** The highest number of a durable journal value that the peer has reported since the start. */
  heardJournal(peer: number): number {
    return this.#context.peers.of(peer).journal
  }

  /** Journals records about members, in one journal value; returns its number. */
  writeDown(records: readonly MemberRecord[]): number {
    return this.#context.writeDown(records)
  }

  /** Before the end: the next {@link take} returns the records that are held back because nothing waits for them. */
  hasten(): void {
    this.#context.hasten()
  }

  take(): Effects {
    return this.#context.take()
  }
}
