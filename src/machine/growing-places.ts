import { Places } from './places.ts'

/**
 * Places moved per record entered. With 1, the old places would be empty just before the new ones are half full. A
 * larger number shortens the time with two arrays, and makes each insert longer: 16 take a microsecond or two.
 */
const MOVED_PER_INSERT = 16

/**
 * Places that double when they are half full. Each new record moves a few of them, so no put waits for all of them.
 * During the move there are two arrays. The home of a hash in the old array says where the hash belongs: homes before a
 * boundary have moved. The boundary always stops at an empty place, so no record has its home on one side of it and its
 * place on the other.
 */
export class GrowingPlaces {
  #present: Places
  #former: Places | null = null
  /** The homes below this one have moved. */
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

  /** The array in which a hash has its place, if it has one. Valid until the next {@link enter} or {@link vacate}. */
  of(hash: number): Places {
    const former = this.#former
    return former !== null && former.home(hash) >= this.#moved ? former : this.#present
  }

  /** Loads the homes of hashes, during a move those in both arrays; see {@link Table.loadAhead}. */
  touch(hashes: Int32Array, count: number): number {
    const sink = this.#present.touch(hashes, count)
    return this.#former === null ? sink : sink ^ this.#former.touch(hashes, count)
  }

  enter(hash: number, handle: number): void {
    if (this.#former !== null) this.#move(this.#former)
    else if (this.#count << 1 >= this.#present.homes) this.#double()
    this.of(hash).enter(hash, handle)
    this.#count++
  }

  /** @param place in the array {@link of} its hash */
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
