import { sealedFrames, unsealed } from '../../src/codec/frame.ts'
import { decodeFrame } from '../../src/codec/peer.ts'
import type { Membership } from '../../src/protocol/membership.ts'
import type { AnyMessage } from '../../src/protocol/messages.ts'
import type { Claim, Refusal, Standing, Transport, TransportHandlers, Verdict } from '../../src/transport/transport.ts'
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
  readonly members: Membership
  /** Sends every message in a frame of its own, so that each has its own fate. */
  readonly split: boolean
  readonly watch: TransportWatch
}

/** The transport of a simulated process: watched, and silent while the process does not run. */
export class WatchedTransport implements Transport {
  readonly #options: WatchedTransportOptions
  /** By peer, how often its links were dropped: what came on them before is not heard any more. */
  readonly #drops: number[] = []

  constructor(options: WatchedTransportOptions) {
    this.#options = options
  }

  start(handlers: TransportHandlers): Promise<void> {
    const { inner, process, watch } = this.#options
    return inner.start({
      frame: (from, bytes) => {
        // The bytes are gone when this returns.
        const kept = process.paused ? bytes.slice() : bytes
        const drops = this.#drops[from]
        process.run(() => {
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
      admit: (peer, claim, dialled) => this.#admit(handlers, peer, claim, dialled),
      up: (peer, identity) => process.run(() => handlers.up(peer, identity)),
      down: (peer) => process.run(() => handlers.down(peer)),
      refused: (peer, reason, clusterId) =>
        process.run(() => {
          watch.refused(reason)
          handlers.refused(peer, reason, clusterId)
        }),
      dropped: (reason, what) => {
        if (what.endsWith('backlog')) watch.overflowed()
        process.run(() => handlers.dropped(reason, what))
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

  close(): Promise<void> {
    return this.#options.inner.close()
  }

  #admit(handlers: TransportHandlers, peer: number, claim: Claim, dialled: boolean): Promise<Verdict> {
    const { process, watch } = this.#options
    watch.unsettled()
    return new Promise<Verdict>((resolve, reject) => {
      process.run(() => handlers.admit(peer, claim, dialled).then(resolve, reject))
    })
      .then((verdict) => {
        if ((verdict === 'yes' || verdict === 'again') && !process.ended) watch.admits(peer, claim)
        return verdict
      })
      .finally(() => watch.settled())
  }

  #messagesOf(bytes: Uint8Array): AnyMessage[] {
    const messages: AnyMessage[] = []
    decodeFrame(unsealed(bytes) as Uint8Array, this.#options.members, (message) => messages.push(message))
    return messages
  }
}

/** Each message in a frame of its own. */
function partsOf(sealed: Uint8Array): Uint8Array[] {
  const bytes = unsealed(sealed) as Uint8Array
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const parts: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + view.getUint32(at, true)
    parts.push(...sealedFrames([bytes.subarray(at, end)]))
    at = end
  }
  return parts
}
