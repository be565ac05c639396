import type { ChangeRequest } from '../../src/node/requests.ts'
import type { Membership } from '../../src/protocol/membership.ts'
import type { MemoryNetworkOptions } from '../../src/transport/memory.ts'
import type { Counters } from '../simulator/counters.ts'
import { Random } from '../support/random.ts'
import { Client, listsOf, whyWrong } from './client.ts'
import type { Disks, Place } from './place.ts'
import { copyOf, foreigner, snapshotOf, wiped } from './strangers.ts'
import { type Stage, World } from './world.ts'

export interface Outcome {
  readonly seed: number
  /** Null if nothing is wrong. */
  readonly failure: string | null
  readonly counters: Counters
}

const CLIENTS = 4
/** Most members at a time. */
const MOST = 7

/** What may be kept for members that stay away, in bytes: a few seconds of it. */
const HELD_LIMIT = 1000
/** How long one stays away. */
const AWAY_MS = 9000

/** A campaign of at least so many seeds reaches each of {@link RARE}. */
export const MANY = 100

/** What proves nothing where it was never reached. */
export const RARE: readonly string[] = [
  'epochs closed by the own checkpoint',
  "epochs entered by a peer's checkpoint",
  'crashes between closing and the next epoch',
  'closing checkpoints that a crash interrupts',
  'void commands carried',
  'reads carried',
  'one of two changes at a time is refused',
  'joiners that crash while they fetch',
  'removed replicas that start again, and leave',
  'epochs jumped over',
  'removed replicas that learn it late',
  'members stopped by their disk',
  'closing checkpoints that a full disk refuses',
  'replicas removed because they stayed away',
  'replicas that come back by themselves',
  'strangers refused: copy',
  'strangers refused: foreign',
  'strangers refused: amnesiac',
]

/** Of {@link RARE}, what a campaign has not reached. */
export function missed(counters: Counters): string[] {
  return RARE.filter((what) => counters.get(what) === 0)
}

/** One cluster under load whose members change, crash, pause and lose their links; then everything is checked. */
export async function run(seed: number, ms = 12_000): Promise<Outcome> {
  const random = new Random(seed)
  const founders = random.pick([1, 2, 3, 3, 3, 4, 5])
  const heldLimitBytes = random.chance(0.5) ? HELD_LIMIT : 0
  const world = new World({ seed: seed + 1, founders, heldLimitBytes, network: networkOf(new Random(seed + 3)) })
  const { counters } = world.watch
  const chaos = new Chaos(world, new Random(seed + 2), counters)
  const clients = Array.from({ length: CLIENTS }, (_, i) => new Client(world, `c${i}`, new Random(seed + 10 + i)))
  const outcome = (failure: string | null): Outcome => ({ seed, failure, counters })
  for (const place of world.places) place.start()
  if (!(await world.until(() => world.places.every(({ ready }) => ready)))) {
    return outcome(world.failures[0] ?? 'it was not founded')
  }
  for (const client of clients) client.start()
  chaos.start(world.time.now + ms)
  await world.run(ms)
  chaos.heal()
  for (const client of clients) client.stop()
  const isQuiet = () => clients.every(({ idle }) => idle) && chaos.settled
  const quiet = await world.until(isQuiet, 60_000)
  if (world.failures.length > 0) return outcome(world.failures.join('; '))
  if (!quiet) return outcome(`it does not come to rest: ${chaos.why}`)
  counters.add('epochs', world.watch.latest)
  return outcome(await chaos.whyDifferent(clients))
}

/** Whether it was removed because it stayed away, and one of those who may take it in is there. */
function isWanted({ returning }: Place, { members, mayReturn }: Membership): boolean {
  if (returning === null || !mayReturn.includes(returning.id)) return false
  return returning.members.some(([id]) => members.some((member) => member.id === id))
}

/** Frames that get lost, come twice, come late or overtake each other. */
function networkOf(random: Random): Pick<MemoryNetworkOptions, 'fate' | 'ordered'> {
  const [lost, twice, late] = [random.pick([0, 0, 0.01, 0.05]), random.pick([0, 0.02]), random.pick([0, 0.02])]
  const delay = () => 0.3 + random.next() + (random.chance(late) ? random.next() * 300 : 0)
  const fate = () => (random.chance(lost) ? [] : random.chance(twice) ? [delay(), delay()] : [delay()])
  return { fate, ordered: random.chance(0.5) }
}

class Chaos {
  readonly #world: World
  readonly #random: Random
  readonly #counters: Counters
  /** Copies of directories, from before. */
  readonly #snapshots: { readonly place: Place; readonly epoch: number; readonly disks: Disks }[] = []
  #strangers = 0
  readonly #visitors = new Set<Place>()
  /** While it runs, nobody joins: who never met the member cannot know that its copy is one. */
  #copy: Place | null = null
  /** It is not started before it has been down for long. */
  #away: Place | null = null
  #endMs = 0

  constructor(world: World, random: Random, counters: Counters) {
    this.#world = world
    this.#random = random
    this.#counters = counters
  }

  start(endMs: number): void {
    this.#endMs = endMs
    const { time, heldLimitBytes } = this.#world
    if (heldLimitBytes > 0) time.after(this.#random.next() * 2000, () => this.#stayAway())
    this.#world.onReturn = (place) => this.#mendOne(place)
    this.#world.onStage = (place, stage) => this.#onStage(place, stage)
    this.#later()
  }

  /** What is rare at a random time is struck on purpose. */
  #onStage(place: Place, stage: Stage): void {
    if (this.#isOver) return
    const isFetch = stage === 'a checkpoint is fetched'
    if (this.#random.chance(isFetch ? 0.15 : 0.08)) {
      this.#crashSoon(place, stage === 'a closing checkpoint is whole' ? 0.5 : 5)
    } else if (stage === 'a closing checkpoint is begun' && this.#random.chance(0.3)) this.#snapshot(place)
    else if (stage === 'a closing checkpoint is begun' && this.#random.chance(0.05)) {
      this.#fill(place, false)
      this.#count('closing checkpoints that a full disk refuses')
    }
  }

  get #isOver(): boolean {
    return this.#world.time.now >= this.#endMs
  }

  #later(): void {
    this.#world.time.after(this.#random.next() * 500, () => {
      if (this.#isOver) return
      this.#strike()
      this.#later()
    })
  }

  #strike(): void {
    if (this.#snapshots.length > 0 && this.#random.chance(0.3)) this.#startCopy()
    const what = this.#random.next()
    // An epoch begins with nothing that is kept, and who is to remove somebody must be ready for some seconds.
    if (what < 0.5 && this.#away !== null) return
    if (what < 0.3) this.#change()
    else if (what < 0.5) this.#crash()
    else if (what < 0.6) this.#pause()
    else if (what < 0.72) this.#cut()
    else if (what < 0.75) this.#fillAny()
    else if (what < 0.8) this.#stranger()
    else this.#mend()
  }

  #count(what: string): void {
    this.#counters.add(what)
  }

  /** One change, or two at the same time at different replicas. */
  #change(): void {
    const asked = this.#world.running.filter(({ ready }) => ready)
    if (asked.length === 0) return
    const places = Array.from({ length: this.#random.chance(0.2) ? 2 : 1 }, () => this.#random.pick(asked))
    void Promise.all(places.map((place) => this.#changeAt(place))).then((codes) => {
      const isOne = codes.includes(null) && codes.includes('bad_change')
      if (isOne) this.#count('one of two changes at a time is refused')
    })
    // The one that was asked may go down in the middle.
    if (this.#random.chance(0.2)) {
      const place = this.#random.pick(asked)
      this.#crashSoon(place, 40)
    }
  }

  async #changeAt(place: Place): Promise<string | null> {
    const { members = [] } = place.seat?.members ?? {}
    const request = this.#request(members.map(({ id }) => id))
    const force = this.#random.chance(0.1)
    const { process } = place
    // A joiner has to start first.
    await new Promise<void>((resolve) => this.#world.time.after(5, resolve))
    // Never, if the process ends.
    await new Promise<void>((resolve) => process?.run(resolve))
    const code = await place.change(request, force)
    this.#count(`${request.kind}: ${code ?? 'done'}`)
    return code
  }

  #request(ids: readonly number[]): ChangeRequest {
    const kind = this.#random.next()
    const mayJoin = this.#copy === null
    const grows = ids.length < 2 || (ids.length < MOST && kind < 0.35)
    if (grows && mayJoin) return { kind: 'add', address: this.#joiner() }
    const id = this.#random.pick(ids)
    return kind < 0.7 || !mayJoin ? { kind: 'remove', id } : { kind: 'replace', id, address: this.#joiner() }
  }

  #joiner(): string {
    const joiner = this.#world.joiner()
    if (this.#random.chance(0.2)) this.#crashSoon(joiner, 300)
    return joiner.address
  }

  #crash(): void {
    const { running } = this.#world
    if (running.length > 0) this.#random.pick(running).crash()
    this.#count('crashes')
  }

  #stayAway(): void {
    const { running, time } = this.#world
    if (running.length === 0) return
    const place = this.#random.pick(running)
    this.#away = place
    place.crash()
    time.after(AWAY_MS, () => {
      this.#away = null
      this.#mendOne(place)
    })
  }

  #crashSoon(place: Place, withinMs: number): void {
    this.#world.time.after(this.#random.next() * withinMs, () => {
      if (!this.#isOver) place.crash()
    })
  }

  #pause(): void {
    const { running, time } = this.#world
    if (running.length === 0) return
    const { process } = this.#random.pick(running)
    process?.pause()
    time.after(100 + this.#random.next() * 2500, () => process?.resume())
    this.#count('pauses')
  }

  #cut(): void {
    const { places, network } = this.#world
    const [a, b] = [this.#random.pick(places).id, this.#random.pick(places).id]
    if (a === b || a < 0 || b < 0) return
    network.cut(a, b, this.#random.chance(0.5) ? 'closed' : 'silent')
    this.#count('cuts')
  }

  #fillAny(): void {
    const { running } = this.#world
    if (running.length > 0) this.#fill(this.#random.pick(running), this.#random.chance(0.5))
  }

  /** Its disk is full for a while. */
  #fill(place: Place, journal: boolean): void {
    place.fill(true, journal)
    this.#world.time.after(100 + this.#random.next() * 3000, () => place.fill(false, false))
  }

  #stranger(): void {
    const kind = this.#random.next()
    if (kind < 0.3) return void this.#foreigner()
    const isTaken = (address: string) => [...this.#visitors].some((other) => other.address === address)
    const away = this.#world.places.filter(({ seat, id, address }) => seat === null && id >= 0 && !isTaken(address))
    if (kind < 0.5 && away.length > 0) return this.#visit(wiped(this.#world, this.#random.pick(away)))
    const { running } = this.#world
    if (running.length > 0) this.#snapshot(this.#random.pick(running))
  }

  #snapshot(place: Place): void {
    if (place.epoch >= 0) this.#snapshots.push({ place, epoch: place.directory.durableEpoch, disks: snapshotOf(place) })
  }

  async #foreigner(): Promise<void> {
    this.#visit(await foreigner(this.#world, this.#strangers))
  }

  /** A copy of an epoch that is over, of a member whose later start all know. */
  #startCopy(): void {
    const { places, watch } = this.#world
    const { place, epoch, disks } = this.#random.pick(this.#snapshots)
    const isOver = place.ready && place.epoch > epoch && place.epoch === watch.latest && this.#copy === null
    // Replicas that come back join at any time.
    if (this.#world.heldLimitBytes > 0) return
    // Also those that are down, or are just being taken in: they may come while it is there.
    const members = place.seat?.members
    const isMember = (one: Place) => one.directory.epoch >= 0 || (members != null && one.isIn(members))
    const others = places.filter((one) => one !== place && one.mayStart && isMember(one))
    const isKnown = others.every((one) => watch.met(one.name, place.directory) >= place.started)
    if (!isOver || !isKnown) return
    const isBeside = this.#random.chance(0.5)
    if (!isBeside) place.crash()
    const address = isBeside ? `copy-${this.#strangers}:7100` : place.address
    const copy = copyOf(this.#world, place, disks, address)
    this.#copy = copy
    this.#count(isBeside ? 'copies beside the true one' : 'copies instead of the true one')
    this.#visit(copy)
  }

  /** It is there for a while. */
  #visit(stranger: Place): void {
    this.#strangers++
    this.#visitors.add(stranger)
    stranger.start()
    this.#world.time.after(200 + this.#random.next() * 1500, () => {
      stranger.crash()
      this.#visitors.delete(stranger)
      if (this.#copy === stranger) this.#copy = null
    })
  }

  #mend(): void {
    if (this.#random.chance(0.6)) return this.#mendOne(this.#random.pick(this.#world.places))
    for (const place of this.#world.places) this.#mendOne(place)
  }

  #mendOne(place: Place): void {
    const { places, network } = this.#world
    const isTaken = [...this.#visitors].some(({ address }) => address === place.address)
    if (place.mayStart && !isTaken && place !== this.#away) place.start()
    for (const other of places) {
      network.heal(place.id, other.id)
      network.heal(other.id, place.id)
    }
  }

  /** Everything works again. */
  heal(): void {
    const { places, network, time } = this.#world
    // Strangers have gone by then.
    time.after(2000, () => {
      for (const place of places) if (place.mayStart) place.start()
    })
    for (const a of places) {
      a.process?.resume()
      a.fill(false, false)
      for (const b of places) network.heal(a.id, b.id)
    }
  }

  /** Members of the latest epoch are ready, and who was removed has gone. */
  get settled(): boolean {
    return this.why === ''
  }

  /** What is not settled. */
  get why(): string {
    const { places } = this.#world
    const latest = Math.max(...places.map(({ epoch }) => epoch))
    const members = places.find(({ epoch }) => epoch === latest)?.seat?.members
    if (members == null) return 'nobody is a member'
    const problems = places.flatMap((place) => {
      const isMember = place.isIn(members)
      const { seat } = place
      if (isMember && !place.ready) return [`${place.address} ${seat?.notReady ?? place.ended} epoch ${place.epoch}`]
      if (place.epoch < 0 && isWanted(place, members)) return [`${place.name} does not come back`]
      // A replica whose peers are all gone learns nothing more.
      if (isMember || seat === null || !this.#hearsOthers(place)) return []
      return [`${place.address} is still there: ${seat.notReady} epoch ${place.epoch}`]
    })
    return problems.length === 0 ? '' : `epoch ${latest}: ${problems.join('; ')}`
  }

  #hearsOthers({ seat, address }: Place): boolean {
    const known = seat?.members?.members ?? []
    return this.#world.running.some(
      (other) => other.address !== address && known.some((one) => one.address === other.address),
    )
  }

  async whyDifferent(clients: readonly Client[]): Promise<string | null> {
    const { places } = this.#world
    const members = places.filter(({ ready }) => ready)
    const isSame = () => new Set(members.map(({ seat }) => seat?.stateHash)).size === 1
    if (!(await this.#world.until(isSame))) return `states differ: ${members.map(({ seat }) => seat?.stateHash)}`
    return whyWrong(
      clients.flatMap(({ operations }) => operations),
      listsOf(members[0] as Place),
    )
  }
}
