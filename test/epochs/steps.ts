import * as assert from 'uvu/assert'
import { encodeGroup } from '../../src/execution/groups.ts'
import { onlyResult } from '../../src/execution/results.ts'
import { Random } from '../support/random.ts'
import { Client, listsOf, whyWrong } from './client.ts'
import type { Place } from './place.ts'
import { World, type WorldOptions } from './world.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Resolves with the result, or with the code of the error. */
export function ask(place: Place, text: string): Promise<string> {
  return new Promise((resolve) => {
    const seat = place.seat
    if (seat === null) return resolve('down')
    seat.read(encodeGroup([encoder.encode(text)]), 'linearizable', (answer) => {
      resolve(
        answer.outcome === 'done' ? decoder.decode(onlyResult(answer.results)) : `${answer.outcome} ${answer.code}`,
      )
    })
  })
}

export async function settled<T>(world: World, promise: Promise<T>): Promise<T> {
  let value: { readonly is: T } | null = null
  promise.then((is) => {
    value = { is }
  })
  await world.until(() => value !== null)
  assert.equal(world.failures, [])
  assert.ok(value !== null, 'an answer comes')
  return (value as { readonly is: T }).is
}

export async function founded(founders: number, options: Partial<WorldOptions> = {}): Promise<World> {
  const world = new World({ seed: 1, founders, ...options })
  for (const place of world.places) place.start()
  await reached(world, () => world.places.every((place) => place.ready), 'founded')
  return world
}

export async function reached(world: World, condition: () => boolean, what: string): Promise<void> {
  assert.ok(await world.until(condition), `${what}: ${world.failures.join()}`)
}

/** Starts a replica that is to join, at an address of its own or at this one. */
export async function joiner(world: World, address?: string): Promise<Place> {
  const place = world.joiner(address)
  await world.run(50)
  return place
}

/** Clients that append and read; the returned function stops them, and checks what they were told. */
export function load(world: World): () => Promise<void> {
  const clients = Array.from({ length: 4 }, (_, i) => new Client(world, `c${i}`, new Random(i)))
  for (const client of clients) client.start()
  return async () => {
    for (const client of clients) client.stop()
    await reached(world, () => clients.every(({ idle }) => idle), 'the clients come to rest')
    const operations = clients.flatMap((client) => client.operations)
    assert.ok(operations.filter(({ result }) => result !== null).length > 20, 'there was load')
    const ready = world.running.filter((place) => place.ready)
    await reached(world, () => new Set(ready.map(({ seat }) => seat?.stateHash)).size === 1, 'one state')
    assert.is(whyWrong(operations, listsOf(ready[0] as Place)), null)
  }
}

export async function add(world: World, asked: Place): Promise<Place> {
  const place = await joiner(world)
  assert.is(await settled(world, asked.change({ kind: 'add', address: place.address })), null)
  await reached(world, () => place.ready, 'it takes part')
  return place
}

export function idsOf(place: Place): number[] {
  return (place.seat?.members?.members ?? []).map(({ id }) => id)
}
