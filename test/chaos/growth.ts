import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Members } from '../../src/node/members.ts'
import { type ChangingCluster, membersAt, type Site } from '../live/changing-cluster.ts'
import { allReadyAt, convergedAt, until } from '../live/cluster.ts'
import type { Random } from '../support/random.ts'
import { Clients } from './clients.ts'
import { writeHistory } from './history-file.ts'
import { CONVERGE_MS, judge, promised, type Round, roundOf, Violation } from './round.ts'

export interface GrowthOptions {
  readonly random: Random
  /** Begins every key. */
  readonly name: string
  /** Where its history is written. */
  readonly folder: string
  readonly say: (line: string) => void
}

/** How long an operator tries. */
const CHANGE_MS = 30_000

/** The code with which a removed replica ends. */
const REMOVED = 5

/** Clients, each with and without a session. */
const CLIENTS = 3

/** The longest that a client may wait for its answer. */
const LONGEST_MS = 3000

/** What a fault hits while the members change: nothing, the new replica, or any one. */
type Victims = 'none' | 'joiner' | 'any'

/**
 * Under load a cluster of one grows to three and to five members, loses two for good, has one of them replaced and the
 * other one removed, and shrinks to three. At most one replica is down besides those that are lost, and only where a
 * quorum remains. Throws a {@link Violation} for a broken promise.
 */
export async function playGrowth(cluster: ChangingCluster, options: GrowthOptions): Promise<Round> {
  const first = await cluster.open()
  await allReadyAt([first.url])
  const { name, folder, random } = options
  const url = first.url.replace('http', 'ws')
  const clients = await Clients.start(new Array<string[]>(CLIENTS).fill([url]), random, name)
  const history = join(folder, `${name}.jsonl`)
  const growth = new Growth(cluster, first, options)
  try {
    await growth.play(clients)
    await clients.stop()
    const urls = growth.urls
    await promised('all members execute the same', () => convergedAt(urls, CONVERGE_MS))
    const counter = await clients.readAll()
    writeHistory(history, clients.history)
    judge(clients, counter)
    if (cluster.crashes.length > 0) throw new Violation(cluster.crashes.join('\n'))
    if (clients.longestMs > LONGEST_MS) throw new Violation(`a client waited for ${clients.longestMs.toFixed(0)} ms`)
    await promised('all members have executed the same', () => convergedAt(urls, CONVERGE_MS))
    return roundOf(clients)
  } catch (error) {
    writeHistory(history, clients.history)
    if (error instanceof Violation) error.message += `\nthe history: ${history}`
    throw error
  } finally {
    await clients.close()
  }
}

class Growth {
  readonly #cluster: ChangingCluster
  readonly #options: GrowthOptions
  /** Members that are not lost. */
  readonly #live: Site[]
  /** Ids that were used, in the order in which they appeared. */
  readonly #ids: number[] = [0]

  constructor(cluster: ChangingCluster, first: Site, options: GrowthOptions) {
    this.#cluster = cluster
    this.#live = [first]
    this.#options = options
  }

  get urls(): string[] {
    return this.#live.map(({ url }) => url)
  }

  async play(clients: Clients): Promise<void> {
    await this.#told(clients, 'the second member', () => this.#add('none'))
    await this.#told(clients, 'the third member', () => this.#add('joiner'))
    await this.#told(clients, 'the fourth member', () => this.#add('any'))
    await this.#told(clients, 'the fifth member', () => this.#add('any'))
    const lost = [this.#take(), this.#take()]
    const ids = await Promise.all(lost.map((site) => this.#idOf(site)))
    await this.#told(clients, 'two are lost', async () => {
      await Promise.all(lost.map((site) => site.stop('SIGKILL')))
      await pause(1000)
    })
    await this.#told(clients, 'one of them is replaced', () => this.#replace(ids[0] as number))
    await this.#told(clients, 'the other one is removed', () => this.#remove(ids[1] as number))
    await this.#told(clients, 'one more is removed', () => this.#leave())
  }

  /** One step, and what clients saw of it. */
  async #told(clients: Clients, what: string, step: () => Promise<void>): Promise<void> {
    const before = performance.now()
    await promised(what, step)
    await promised(`${what}: all are ready`, () => allReadyAt(this.urls))
    await this.#agreed()
    const ms = performance.now() - before
    this.#options.say(`  ${what}: ${ms.toFixed(0)} ms; longest wait so far ${clients.longestMs.toFixed(0)} ms`)
    await pause(this.#options.random.next() * 300)
  }

  /** All name the same members, and no id comes back. */
  async #agreed(): Promise<void> {
    const views = await Promise.all(this.urls.map(membersAt))
    const lists = views.map(({ epoch, members }) => JSON.stringify([epoch, members.map(({ id }) => id)]))
    if (new Set(lists).size > 1) throw new Violation(`the members differ: ${lists.join(' ')}`)
    for (const { id } of (views[0] as Members).members) {
      if (this.#ids.includes(id)) continue
      if (id < Math.max(...this.#ids)) throw new Violation(`id ${id} comes after ${this.#ids}`)
      this.#ids.push(id)
    }
  }

  async #add(victims: Victims): Promise<void> {
    const joiner = await this.#cluster.open()
    await this.#during(victims, joiner, () =>
      this.#change({ add: joiner.address }, ({ members }) => members.some(({ address }) => address === joiner.address)),
    )
    this.#live.push(joiner)
  }

  async #replace(id: number): Promise<void> {
    const joiner = await this.#cluster.open()
    await this.#during('joiner', joiner, () =>
      this.#change({ replace: id, by: joiner.address }, ({ members }) =>
        members.some(({ address }) => address === joiner.address),
      ),
    )
    this.#live.push(joiner)
  }

  async #remove(id: number): Promise<void> {
    await this.#during('any', null, () =>
      this.#change({ remove: id }, ({ members }) => members.every((member) => member.id !== id)),
    )
  }

  /** A running member leaves: it says so by its exit code. */
  async #leave(): Promise<void> {
    const site = this.#options.random.pick(this.#live)
    const id = await this.#idOf(site)
    await this.#remove(id)
    this.#live.splice(this.#live.indexOf(site), 1)
    const code = await site.ended()
    if (code !== REMOVED) throw new Violation(`the removed replica ${id} ended with ${code}`)
  }

  #take(): Site {
    return this.#live.splice(this.#options.random.below(this.#live.length), 1)[0] as Site
  }

  async #idOf(site: Site): Promise<number> {
    const member = (await membersAt(site.url)).members.find(({ address }) => address === site.address)
    if (member === undefined) throw new Violation(`no member at ${site.address}`)
    return member.id
  }

  /** As an operator does it: asks a member, looks, and asks another one if that was not it. */
  async #change(body: object, isDone: (members: Members) => boolean): Promise<void> {
    await until(`the change ${JSON.stringify(body)}`, CHANGE_MS, async () => {
      const { url } = this.#options.random.pick(this.#live)
      try {
        await fetch(`${url}/members`, { method: 'POST', body: JSON.stringify(body) })
        const members = await membersAt(url)
        return !members.leaving && isDone(members)
      } catch {
        return false
      }
    })
  }

  async #during(victims: Victims, joiner: Site | null, change: () => Promise<void>): Promise<void> {
    const { random } = this.#options
    const candidates = victims === 'any' ? [...this.#live] : []
    if (victims !== 'none' && joiner !== null) candidates.push(joiner)
    const harmed = candidates.length > 0 ? this.#harm(random.pick(candidates)) : Promise.resolve()
    await Promise.all([change(), harmed])
  }

  async #harm(site: Site): Promise<void> {
    const { random, say } = this.#options
    const kind = random.pick(['SIGKILL', 'SIGKILL', 'SIGSTOP', 'SIGTERM'] as const)
    await pause(random.next() * 300)
    say(`  ${kind} for ${site.address}`)
    if (kind === 'SIGSTOP') site.signal(kind)
    else await site.stop(kind)
    await pause(random.next() * 900)
    if (kind === 'SIGSTOP') site.signal('SIGCONT')
    else site.start()
  }
}
