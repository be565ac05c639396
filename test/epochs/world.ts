import type { Membership } from '../../src/protocol/membership.ts'
import { foundingMembers } from '../../src/protocol/membership.ts'
import type { Returning } from '../../src/storage/directory.ts'
import { MemoryNetwork, type MemoryNetworkOptions } from '../../src/transport/memory.ts'
import { VirtualTime } from '../simulator/time.ts'
import { Random } from '../support/random.ts'
import { Place } from './place.ts'
import { Watch } from './watch.ts'

/** What a replica does with a checkpoint. */
export type Stage = 'a closing checkpoint is begun' | 'a closing checkpoint is whole' | 'a checkpoint is fetched'

const REQUEST_TIMEOUT_MS = 2000

export interface WorldOptions {
  readonly seed: number
  /** Replicas that found the cluster. */
  readonly founders: number
  /** Nothing of them survives their processes. */
  readonly memory?: boolean
  readonly requestTimeoutMs?: number
  /** See `SeatOptions.heldLimitBytes`; 0 by default. */
  readonly heldLimitBytes?: number
  readonly network?: Pick<MemoryNetworkOptions, 'fate' | 'ordered'>
}

/** A cluster whose members change: the shipped seats on simulated processes, disks and a simulated network. */
export class World {
  readonly time = new VirtualTime()
  readonly random: Random
  readonly network: MemoryNetwork
  readonly founders: Membership
  readonly requestTimeoutMs: number
  readonly heldLimitBytes: number
  readonly places: Place[] = []
  /** What went wrong by itself. */
  readonly failures: string[] = []
  readonly watch = new Watch((what) => this.failures.push(what))
  /** Called when a replica is at such a point. */
  onStage: (place: Place, stage: Stage) => void = () => {}
  /** Called when a replica that was removed because it stayed away is started again. */
  onReturn: (place: Place) => void = (place) => place.start()

  constructor(options: WorldOptions) {
    const { seed, founders, memory = false, network = {} } = options
    this.random = new Random(seed)
    this.requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS
    this.heldLimitBytes = options.heldLimitBytes ?? 0
    this.time.unsettled = 1
    this.network = new MemoryNetwork({
      schedule: (ms, action) => this.time.after(ms, action, true),
      delayMs: () => 0.3 + this.random.next(),
      random: () => this.random.next(),
      ...network,
    })
    const addresses = Array.from({ length: founders }, (_, at) => addressOf(at))
    this.founders = foundingMembers(addresses)
    this.watch.members('the founder', this.founders)
    for (const [at, address] of addresses.entries()) this.places.push(new Place(this, { address, founder: at, memory }))
  }

  /** A replica that is to join: it runs at an address of its own, or at this one. */
  joiner(address = addressOf(this.places.length)): Place {
    const place = new Place(this, { address, founder: null })
    this.places.push(place)
    place.start()
    return place
  }

  /** A replica that was removed because it stayed away comes back: in the same place, with an empty directory. */
  comeBack({ address }: Place, returning: Returning): void {
    const place = new Place(this, { address, founder: null, returning })
    this.places.push(place)
    this.time.after(this.random.next() * 100, () => this.onReturn(place))
  }

  /** Runs until the condition holds; returns whether it did. */
  async until(condition: () => boolean, ms = 20_000): Promise<boolean> {
    return await this.time.run(this.time.now + ms, () => this.failures.length > 0 || condition())
  }

  async run(ms: number): Promise<void> {
    await this.time.run(this.time.now + ms, () => this.failures.length > 0)
  }

  get running(): Place[] {
    return this.places.filter((place) => place.seat !== null)
  }
}

export function addressOf(at: number): string {
  return `replica-${at}:7100`
}
