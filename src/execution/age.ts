import { mix } from './session-hash.ts'

/** The lifetime of what sessions remember, in ticks of the replicated clock. Part of the format. */
export const LIFETIME_TICKS = 24

/** What the clock holds, for a snapshot. */
export interface Reading {
  readonly ticks: number
  /** Who has said in this epoch that the present tick is over: a bit for each row. */
  readonly epoch: number
  readonly claims: number
  /** The generations in which the last ticks began; the last one is the present one. */
  readonly begins: readonly number[]
}

/**
 * The clock of the sessions: replicated state, moved only by commands. A member that has measured the length of a tick
 * since it executed the beginning of the present one claims that it is over. A majority of claims ends it.
 *
 * So a tick lasts at least its length by the clock of some member whose clock is right, as long as no majority is
 * wrong: a member whose clock runs too fast claims early and alone, one whose clock stands still is not needed. Only
 * durations are measured, with clocks that never go back, so no date can be wrong. After a restart a member measures
 * anew: it claims late, never early. A clock that jumps ahead ends one tick at most, because the next one begins to be
 * measured when that has executed.
 */
export class AgeClock {
  #ticks = 0
  #epoch = 0
  #claims = 0
  #begins: number[] = [0]

  /** Ticks that are over. */
  get ticks(): number {
    return this.#ticks
  }

  /** What was last used before this generation is older than the lifetime. */
  get oldest(): number {
    return this.#begins.length > LIFETIME_TICKS ? (this.#begins[0] as number) : 0
  }

  hasClaimed(row: number, epoch: number): boolean {
    return epoch === this.#epoch && (this.#claims & (1 << row)) !== 0
  }

  /**
   * The member with this row in the epoch says that tick number `tick` is over. Returns whether a majority has said so
   * now; `generation` is then the one in which the next tick begins.
   */
  claim(tick: number, row: number, epoch: number, majority: number, generation: number): boolean {
    if (tick !== this.#ticks) return false
    if (epoch !== this.#epoch) this.#claims = 0
    this.#epoch = epoch
    this.#claims |= 1 << row
    if (bits(this.#claims) < majority) return false
    this.#ticks++
    this.#claims = 0
    this.#begins.push(generation)
    if (this.#begins.length > LIFETIME_TICKS + 1) this.#begins.shift()
    return true
  }

  get reading(): Reading {
    return { ticks: this.#ticks, epoch: this.#epoch, claims: this.#claims, begins: [...this.#begins] }
  }

  set reading({ ticks, epoch, claims, begins }: Reading) {
    this.#ticks = ticks
    this.#epoch = epoch
    this.#claims = claims
    this.#begins = [...begins]
  }

  /** A hash of 32 bits. The beginnings follow from what was executed, as the ticks do. */
  hash(salt: number): number {
    return mix(salt, this.#ticks, this.#claims) ^ mix(salt, this.#begins[0] as number, this.#epoch)
  }
}

function bits(set: number): number {
  let count = 0
  for (let rest = set; rest !== 0; rest &= rest - 1) count++
  return count
}
