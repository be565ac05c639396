import { sealedFrames, type Unsealed, unsealed } from '../../src/codec/frame.ts'
import { decodeFrame } from '../../src/codec/peer.ts'
import type { Membership } from '../../src/protocol/membership.ts'
import type { AnyMessage } from '../../src/protocol/messages.ts'
import type {
  Claim,
  Identity,
  Refusal,
  Standing,
  Transport,
  TransportHandlers,
  Verdict,
} from '../../src/transport/transport.ts'
import type { SimulatedProcess } from './process.ts'

/** Told of what one replica says and hears. */
export interface TransportWatch {
  /** Nothing leaves any more: it is as if the process had ended within its turn. */
  isMuted(): boolean
  /** The frame leaves the replica, so all that it rests on is durable there. `taken`: there is a link for it. */
  sent(to: number, messages: readonly AnyMessage[], bytes: Uint8Array, taken: boolean): void
  /** So many bytes to the peer have not arrived. */
  buffered(bytes: number): void
  /** The link to a peer was closed because too much had not arrived. */
  overflowed(): void
  received(from: number, messages: readonly AnyMessage[]): void
  /** It tells a peer who it is. */
  claims(standing: Standing): void
  /** It welcomes the peer, or believes its welcome. */
  admits(peer: number, claim: Claim): void
  refused(reason: Refusal): void
  /** A promise is open until the other call. */
  unsettled(): void
  settled(): void
}

export interface WatchedTransportOptions {
  readonly inner: Transport
  readonly process: SimulatedProcess
  /** Of an epoch; null if its frames are of no interest. */
  readonly membersOf: (epoch: number) => Membership | null
  /** Sends every message in a frame of its own, so that each has its own fate. */
  readonly split: boolean
  readonly watch: TransportWatch
}

/** The transport of a simulated process: watched, and silent while the process does not run. */
export class WatchedTransport implements Transport {
  readonly #options: WatchedTransportOptions
  /** By peer, how often its links were dropped: what came on them before is not heard any more. */
  readonly #drops: number[] = []
  /** How often it took another identity: what came before is not heard any more. */
  #generation = 0
  /** Peers whose link is up, as far as the process knows. */
  readonly #linked = new Set<number>()
  #handlers: TransportHandlers | null = null

  constructor(options: WatchedTransportOptions) {
    this.#options = options
  }

  start(handlers: TransportHandlers): Promise<void> {
    const { inner, process, watch } = this.#options
    this.#handlers = handlers
    return inner.start({
      frame: (from, bytes) => {
        // The bytes are gone when this returns.
        const kept = process.paused ? bytes.slice() : bytes
        const drops = this.#drops[from]
        this.#hear(() => {
          if (this.#drops[from] !== drops) return
          watch.received(from, this.#messagesOf(kept))
          handlers.frame(from, kept)
        })
        return true
      },
      standing: () => {
        const standing = handlers.standing()
        watch.claims(standing)
        return standing
      },
      admit: (peer, claim, dialled, as) => this.#admit(handlers, peer, claim, dialled, as),
      up: (peer, identity) =>
        this.#hear(() => {
          this.#linked.add(peer)
          handlers.up(peer, identity)
        }),
      down: (peer) => this.#hear(() => this.#onDown(peer)),
      refused: (peer, reason, clusterId) =>
        this.#hear(() => {
          watch.refused(reason)
          handlers.refused(peer, reason, clusterId)
        }),
      dropped: (reason, what) => {
        if (what.endsWith('backlog')) watch.overflowed()
        this.#hear(() => handlers.dropped(reason, what))
      },
    })
  }

  send(peer: number, bytes: Uint8Array): boolean {
    const { inner, split, watch } = this.#options
    if (watch.isMuted()) return false
    const messages = this.#messagesOf(bytes)
    let taken = true
    for (const part of split ? partsOf(bytes) : [bytes]) taken = inner.send(peer, part) && taken
    watch.sent(peer, messages, bytes, taken)
    return taken
  }

  buffered(peer: number): number {
    const bytes = this.#options.inner.buffered(peer)
    this.#options.watch.buffered(bytes)
    return bytes
  }

  drop(peer: number): void {
    this.#drops[peer] = (this.#drops[peer] ?? 0) + 1
    this.#options.inner.drop(peer)
  }

  become(identity: Identity, peers: ReadonlyMap<number, string>): void {
    this.#generation++
    this.#options.inner.become(identity, peers)
    // Links that broke while the process was paused, and before it heard of that.
    for (const peer of [...this.#linked]) this.#onDown(peer)
  }

  dial(peer: number, address: string, as?: number): void {
    this.#options.inner.dial(peer, address, as)
  }

  probe(address: string, id: number): Promise<Claim> {
    return this.#options.inner.probe(address, id)
  }

  close(): Promise<void> {
    return this.#options.inner.close()
  }

  /** When the process runs, unless it has taken another identity meanwhile. */
  #hear(action: () => void): void {
    const generation = this.#generation
    this.#options.process.run(() => {
      if (this.#generation === generation) action()
    })
  }

  #onDown(peer: number): void {
    if (this.#linked.delete(peer)) this.#handlers?.down(peer)
  }

  #admit(handlers: TransportHandlers, peer: number, claim: Claim, dialled: boolean, as: number): Promise<Verdict> {
    const { process, watch } = this.#options
    watch.unsettled()
    return new Promise<Verdict>((resolve, reject) => {
      process.run(() => handlers.admit(peer, claim, dialled, as).then(resolve, reject))
    })
      .then((verdict) => {
        if ((verdict === 'yes' || verdict === 'again') && !process.ended) watch.admits(peer, claim)
        return verdict
      })
      .finally(() => watch.settled())
  }

  #messagesOf(bytes: Uint8Array): AnyMessage[] {
    const messages: AnyMessage[] = []
    const { epoch, content } = unsealed(bytes) as Unsealed
    const members = this.#options.membersOf(epoch)
    if (members !== null) decodeFrame(content, members, (message) => messages.push(message))
    return messages
  }
}

/** Each message in a frame of its own. */
function partsOf(sealed: Uint8Array): Uint8Array[] {
  const { epoch, content: bytes } = unsealed(sealed) as Unsealed
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const parts: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + view.getUint32(at, true)
    parts.push(...sealedFrames([bytes.subarray(at, end)], epoch))
    at = end
  }
  return parts
}
