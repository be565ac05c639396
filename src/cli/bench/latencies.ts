/** Each doubling of the latency is divided into this many parts: a quantile is exact to 0.8 %. */
const PARTS = 64
const DOUBLINGS = 32

/** Counts latencies by size, in microseconds; many can be added at once. */
export class Latencies {
  readonly #counts = new Float64Array(PARTS * DOUBLINGS)
  #total = 0

  add(micros: number, count: number): void {
    this.#counts[partOf(micros)]! += count
    this.#total += count
  }

  clear(): void {
    this.#counts.fill(0)
    this.#total = 0
  }

  get total(): number {
    return this.#total
  }

  /** The latency that this fraction (0 to 1) does not exceed; NaN if nothing was counted. */
  quantile(part: number): number {
    let left = part * this.#total
    for (let i = 0; i < this.#counts.length; i++) {
      left -= this.#counts[i] as number
      if (left <= 0 && this.#total > 0) return middleOf(i)
    }
    return Number.NaN
  }
}

function partOf(micros: number): number {
  if (micros < PARTS) return Math.max(0, Math.floor(micros))
  const doubling = Math.min(DOUBLINGS - 1, Math.floor(Math.log2(micros / PARTS)) + 1)
  const base = PARTS * 2 ** (doubling - 1)
  return doubling * PARTS + Math.min(PARTS - 1, Math.floor((micros / base - 1) * PARTS))
}

function middleOf(part: number): number {
  const doubling = Math.floor(part / PARTS)
  if (doubling === 0) return part + 0.5
  const base = PARTS * 2 ** (doubling - 1)
  return base * (1 + ((part % PARTS) + 0.5) / PARTS)
}
