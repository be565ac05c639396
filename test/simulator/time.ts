interface Planned {
  readonly atMs: number
  readonly order: number
  readonly action: () => void
  readonly settles: boolean
}

/**
 * Virtual time: scheduled actions run in the order of their times, and in the order of scheduling if the times are
 * equal. Nothing here depends on how long anything takes.
 */
export class VirtualTime {
  /** In ms. */
  now = 0
  /** While above 0, promises settle after every event; otherwise only after events that request it. */
  unsettled = 0
  #planned = 0
  readonly #heap: Planned[] = []

  /** Runs `action` after `ms`. With `settles`, its promises settle before the next event. */
  after(ms: number, action: () => void, settles = false): void {
    this.#push({ atMs: this.now + Math.max(0, ms), order: this.#planned++, action, settles })
  }

  /** Advances time until the condition holds (returns true), or until `endMs` (returns false). */
  async run(endMs: number, condition: () => boolean = () => false): Promise<boolean> {
    while (!condition()) {
      const next = this.#heap[0]
      if (next === undefined || next.atMs > endMs) {
        this.now = Math.max(this.now, endMs)
        return false
      }
      this.#pop()
      this.now = next.atMs
      next.action()
      if (next.settles || this.unsettled > 0) await settled()
    }
    return true
  }

  #push(planned: Planned): void {
    const heap = this.#heap
    let at = heap.push(planned) - 1
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (!isBefore(planned, heap[parent] as Planned)) break
      heap[at] = heap[parent] as Planned
      at = parent
    }
    heap[at] = planned
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Planned
    if (heap.length === 0) return
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Planned, heap[child] as Planned)) child++
      if (!isBefore(heap[child] as Planned, last)) break
      heap[at] = heap[child] as Planned
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.atMs !== b.atMs ? a.atMs < b.atMs : a.order < b.order
}

/** Resolves when all promises so far have settled, and everything that follows from them without time advancing. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
