import { decodeFrame } from '../../src/codec/peer.ts'
import { type Message, MessageType } from '../../src/protocol/messages.ts'
import { MemoryNetwork } from '../../src/transport/memory.ts'
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

/** A network whose delays, losses and repetitions are drawn from the seed. */
export function makeNetwork(weather: Weather): MemoryNetwork {
  const { options, time } = weather
  const { replicas, seed, network } = options
  const random = stream(seed, 'network')
  const distances = Array.from({ length: replicas * replicas }, () => random.next() * network.distanceMs)
  const delay = (from: number, to: number): number =>
    (distances[from * replicas + to] as number) + random.next() * network.jitterMs
  /** What is planned next is a step of a handshake, which goes on in promises. */
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
      if (random.chance(lossOf(options, to, frame))) {
        weather.counters.add('frames lost')
        return []
      }
      if (random.chance(network.duplicate)) {
        weather.counters.add('duplicates')
        delays.push(delay(from, to) + random.next() * 10 * network.jitterMs)
      }
      return delays
    },
    ordered: network.ordered,
    random: stream(seed, 'dialling').next,
  })
}

function lossOf({ network, replicas }: Options, to: number, frame: Uint8Array): number {
  const { loss, lostCommit, lostOk, deaf } = network
  if (lostCommit + lostOk + deaf === 0) return loss
  let chance = loss
  decodeFrame(frame, replicas, (message: Message) => {
    if (message.type === MessageType.commit) chance = Math.max(chance, lostCommit)
    if (message.type === MessageType.preAcceptOk) chance = Math.max(chance, lostOk)
    if (message.type === MessageType.recover && message.row === to) chance = Math.max(chance, deaf)
  })
  return chance
}
