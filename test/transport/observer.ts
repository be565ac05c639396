import { INCARNATION_BYTES, type Membership, membership } from '../../src/protocol/membership.ts'
import { claimOf as claimed } from '../../src/transport/admission.ts'
import type {
  Announcement,
  Claim,
  Identity,
  LinkDrop,
  MemberIdentity,
  Refusal,
  Standing,
  TransportHandlers,
  Verdict,
} from '../../src/transport/transport.ts'
import { memberAddress, members } from '../support/members.ts'

/** Takes part in links like a node, and records what it learns. */
export class Observer implements TransportHandlers {
  /** Copies of the frames, by sender. */
  readonly frames = new Map<number, Uint8Array[]>()
  readonly ups: number[] = []
  readonly downs: number[] = []
  readonly refusals: { peer: number; reason: Refusal; clusterId: string | null }[] = []
  readonly drops: string[] = []
  readonly identities = new Map<number, Announcement>()
  /** Incarnations at first contact. */
  readonly known = new Map<number, string>()
  /** What it says of itself. */
  says: Standing = standingOf()
  /** Called with each frame after it was recorded; returns whether it is whole. */
  onFrame: (from: number, bytes: Uint8Array) => boolean = () => true
  /** Peers whose link is up. */
  readonly linked = new Set<number>()

  frame(from: number, bytes: Uint8Array): boolean {
    const copy = bytes.slice()
    const list = this.frames.get(from)
    if (list === undefined) this.frames.set(from, [copy])
    else list.push(copy)
    return this.onFrame(from, bytes)
  }

  standing(): Standing {
    return this.says
  }

  async admit(peer: number, { incarnation }: Claim, _dialled: boolean, _as: number): Promise<Verdict> {
    await null
    const incoming = incarnation.join()
    const known = this.known.get(peer) ?? incoming
    this.known.set(peer, known)
    return known === incoming ? 'yes' : 'amnesiac'
  }

  up(peer: number, identity: Announcement): void {
    if (this.linked.has(peer)) throw new Error(`replica ${peer} is up twice`)
    this.linked.add(peer)
    this.ups.push(peer)
    this.identities.set(peer, identity)
  }

  down(peer: number): void {
    if (!this.linked.delete(peer)) throw new Error(`replica ${peer} is down without having been up`)
    this.downs.push(peer)
  }

  refused(peer: number, reason: Refusal, clusterId: string | null): void {
    this.refusals.push({ peer, reason, clusterId })
  }

  dropped(_reason: LinkDrop, what: string): void {
    this.drops.push(what)
  }

  /** Frames received from a peer. */
  from(peer: number): readonly Uint8Array[] {
    return this.frames.get(peer) ?? []
  }
}

export function identityOf(id: number, replicas: number, changes: Partial<MemberIdentity> = {}): MemberIdentity {
  const incarnation = new Uint8Array(16).fill(id + 1)
  const clientUrl = `http://127.0.0.1:${7001 + id}`
  const address = memberAddress(id)
  return { cluster: 'local', members: members(replicas), id, incarnation, address, clientUrl, ...changes }
}

/** A replica without a cluster that listens at an address. */
export function joinerAt(address: string): Identity {
  return { cluster: 'local', members: null, id: -1, incarnation: new Uint8Array(16).fill(99), address, clientUrl: '' }
}

/** The same members as at the founding, in a later epoch. */
export function membersIn(epoch: number, replicas: number): Membership {
  const incarnation = (id: number) => new Uint8Array(INCARNATION_BYTES).fill(id + 1)
  return membership(
    epoch,
    members(replicas).members.map((member) => ({
      ...member,
      incarnation: epoch === 0 ? null : incarnation(member.id),
    })),
  )
}

export function standingOf(changes: Partial<Standing> = {}): Standing {
  const start = { number: 1, nonce: new Uint8Array(16).fill(7) }
  return { start, earlier: new Uint8Array(0), journal: 1, clusterId: null, founded: false, ...changes }
}

/** As {@link identityOf}, with all that a handshake says. */
export function claimOf(id: number, replicas: number, changes: Partial<Claim> = {}): Claim {
  return { ...claimed(identityOf(id, replicas), standingOf(), id), ...changes }
}
