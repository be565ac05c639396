import { type Unsealed, unsealed } from '../../src/codec/frame.ts'
import { decodeFrame } from '../../src/codec/peer.ts'
import { type AnyMessage, MessageType } from '../../src/protocol/messages.ts'
import { MemoryNetwork } from '../../src/transport/memory.ts'
import { MAX_BACKPRESSURE_BYTES } from '../../src/transport/transport.ts'
import { members } from '../support/members.ts'
import type { Counters } from './counters.ts'
import { type Options, stream } from './options.ts'
import type { VirtualTime } from './time.ts'

export interface Weather {
  readonly options: Options
  readonly time: VirtualTime
  readonly counters: Counters
  /** Faults are over: nothing is lost or repeated any more. */
  readonly healed: boolean
}

/** A network with delays, losses and repetitions drawn from the seed. */
export function makeNetwork(weather: Weather): MemoryNetwork {
  const { options, time } = weather
  const { replicas, seed, network } = options
  const random = stream(seed, 'network')
  const distances = Array.from({ length: replicas * replicas }, () => random.next() * network.distanceMs)
  const delay = (from: number, to: number): number =>
    (distances[from * replicas + to] as number) + random.next() * network.jitterMs
  /** The next scheduled action is a step of a handshake, which continues in promises. */
  let handshake = false
  return new MemoryNetwork({
    schedule: (delayMs, action) => {
      time.after(delayMs, action, handshake)
      handshake = false
    },
    delayMs: (from, to) => {
      handshake = true
      return delay(from, to)
    },
    fate: (from, to, frame) => {
      const delays = [delay(from, to)]
      if (weather.healed) return delays
      const { loss, late } = chancesOf(options, to, frame)
      if (random.chance(loss)) {
        weather.counters.add('frames lost')
        return []
      }
      if (random.chance(late)) return [delay(from, to) + random.next() * LATE_MS]
      if (random.chance(network.duplicate)) {
        weather.counters.add('duplicates')
        delays.push(delay(from, to) + random.next() * 10 * network.jitterMs)
      }
      return delays
    },
    ordered: network.ordered,
    bytesPerMs: () => (weather.healed || network.bytesPerMs === 0 ? Number.POSITIVE_INFINITY : network.bytesPerMs),
    // A link that is closed loses what is on it.
    mostBufferedBytes: () => (weather.healed ? MAX_BACKPRESSURE_BYTES : network.mostBufferedBytes),
    random: stream(seed, 'dialling').next,
  })
}

/** How much later a late frame may arrive. */
const LATE_MS = 300

/** The probability that a frame is lost, and that a frame that is not lost is late. */
function chancesOf({ network, replicas }: Options, to: number, frame: Uint8Array): { loss: number; late: number } {
  const { loss, lostCommit, lostOk, deaf } = network
  const chances = { loss, late: 0 }
  if (lostCommit + lostOk + deaf === 0) return chances
  decodeFrame((unsealed(frame) as Unsealed).content, members(replicas), (message: AnyMessage) => {
    if (message.type === MessageType.commit) chances.loss = Math.max(chances.loss, lostCommit)
    if (message.type === MessageType.preAcceptOk) chances.loss = Math.max(chances.loss, lostOk)
    if (message.type !== MessageType.recover || message.row !== to) return
    chances.loss = Math.max(chances.loss, deaf / 2)
    chances.late = deaf
  })
  return chances
}
