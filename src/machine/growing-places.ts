import { Places } from './places.ts'

/**
 * Places moved per record entered. At 1 the former places would be empty just before the new ones are half full; the more, the shorter are there
 * two arrays, and the longer takes each of the inserts: 16 are a microsecond or two.
 */
const MOVED_PER_INSERT = 16

/**
 * Places that double when they are half full, a few with each record that is entered, so that no put waits for all of them. While they move there are two
 * arrays; where a hash belongs is told by its home in the former one: those before a boundary have moved. The boundary comes to stand at an empty
 * place, so no record has its home on one side of it and its place on the other.
 */
export class GrowingPlaces {
  #present: Places
  #former: Places | null = null
  /** The homes of the former places that have moved are those below. */
  #moved = 0
  #count = 0

  /** @param homes a power of two */
  constructor(homes: number) {
    this.#present = new Places(homes)
  }

  /** Records. */
  get count(): number {
    return this.#count
  }

  /** The array in which a hash has its place, if it has one: until the next {@link enter} or {@link vacate}. */
  of(hash: number): Places {
    const former = this.#former
    return former !== null && former.home(hash) >= this.#moved ? former : this.#present
  }

  enter(hash: number, handle: number): void {
    if (this.#former !== null) this.#move(this.#former)
    else if (this.#count << 1 >= this.#present.homes) this.#double()
    this.of(hash).enter(hash, handle)
    this.#count++
  }

  /** @param place of {@link of} its hash */
  vacate(hash: number, place: number): void {
    this.of(hash).vacate(place)
    this.#count--
  }

  /** In no order. */
  handles(): number[] {
    const handles: number[] = []
    this.#former?.collectHandles(handles)
    this.#present.collectHandles(handles)
    return handles
  }

  #double(): void {
    this.#former = this.#present
    this.#present = new Places(2 * this.#former.homes)
    this.#moved = 0
  }

  #move(former: Places): void {
    const next = former.moveTo(this.#present, this.#moved, MOVED_PER_INSERT)
    this.#moved = next
    if (next >= former.homes) this.#former = null
  }
}
