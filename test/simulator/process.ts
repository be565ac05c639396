import type { Clock } from '../../src/node/clock.ts'
import type { VirtualTime } from './time.ts'

export interface ProcessOptions {
  /** How fast its clock goes; 1 is right. */
  readonly rate: number
  /** The time from the arrival of something to the turn that handles it, in ms. */
  readonly turnMs: number
}

/** The reading of a monotonic clock when its process begins, in ms. */
const BOOT_MS = 50

/**
 * One life of a simulated process: its clock, and whether it runs. What reaches it while it is paused waits; what
 * reaches it after its end is lost.
 */
export class SimulatedProcess implements Clock {
  readonly #time: VirtualTime
  readonly #options: ProcessOptions
  readonly #bornMs: number
  /** Called after anything that happened to it. */
  afterwards: () => void = () => {}
  #jumpedMs = 0
  #ended = false
  #held = false
  #running = false
  #waiting: (() => void)[] | null = null

  constructor(time: VirtualTime, options: ProcessOptions) {
    this.#time = time
    this.#options = options
    this.#bornMs = time.now
  }

  /** Stops it until {@link letGo}, whoever resumes it meanwhile. */
  hold(): void {
    this.#held = true
    this.pause()
  }

  letGo(): void {
    this.#held = false
    this.resume()
  }

  get ended(): boolean {
    return this.#ended
  }

  get paused(): boolean {
    return this.#waiting !== null
  }

  /**
   * Something happens to the process; within something that happens, as when a send closes its link, it is a part of
   * that.
   */
  run(action: () => void): void {
    if (this.#ended) return
    if (this.#waiting !== null) this.#waiting.push(action)
    else if (this.#running) action()
    else {
      this.#running = true
      try {
        action()
      } finally {
        this.#running = false
      }
      this.afterwards()
    }
  }

  pause(): void {
    this.#waiting ??= []
  }

  resume(): void {
    if (this.#held) return
    const waiting = this.#waiting ?? []
    this.#waiting = null
    for (const action of waiting) this.run(action)
  }

  end(): void {
    this.#ended = true
    this.#waiting = null
  }

  /** Its clock goes forward by `ms` at once. */
  jump(ms: number): void {
    this.#jumpedMs += ms
  }

  now(): number {
    return BOOT_MS + (this.#time.now - this.#bornMs) * this.#options.rate + this.#jumpedMs
  }

  soon(action: () => void): void {
    this.#time.after(this.#options.turnMs, () => this.run(action))
  }

  after(ms: number, action: () => void): void {
    this.#time.after(ms / this.#options.rate, () => this.run(action))
  }

  every(ms: number, action: () => void): () => void {
    let stopped = false
    let waiting = false
    const tick = (): void => {
      waiting = false
      if (!stopped) action()
    }
    const plan = (): void => {
      this.#time.after(ms / this.#options.rate, () => {
        if (stopped || this.#ended) return
        // Ticks that a paused process missed become one.
        if (!waiting) {
          waiting = true
          this.run(tick)
        }
        plan()
      })
    }
    plan()
    return () => {
      stopped = true
    }
  }
}
