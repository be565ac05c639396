/** A link through which nothing arrives any more, without an error, is given up after this time. */
export const SILENCE_MS = 3000

/** How a frame travels: the options of the network that a link needs. */
export interface Traffic {
  readonly schedule: (delayMs: number, action: () => void) => unknown
  readonly fate: (from: number, to: number, frame: Uint8Array) => readonly number[]
  readonly bytesPerMs: (from: number, to: number) => number
  readonly ordered: boolean
}

/** The two transports that a link joins, as far as the link calls them. */
export interface LinkEnds {
  /** At the accepting side. The sender still owns the frame. */
  arrived(link: MemoryLink, frame: Uint8Array): void
  /** At the dialling side, once, after the link broke. */
  lost(link: MemoryLink): void
}

interface Arrival {
  readonly frame: Uint8Array
  readonly delayMs: number
  due: boolean
}

/** A frame that waits until the link has transmitted those before it. */
interface Departure {
  readonly bytes: number
  readonly arrivals: readonly Arrival[]
}

/** One direction between two replicas, from the dial to its end, with the frames in flight. */
export class MemoryLink {
  readonly from: number
  readonly to: number
  readonly #traffic: Traffic
  readonly #dialler: LinkEnds
  readonly #isSilent: () => boolean
  readonly #onTheirWay = new Set<Arrival>()
  /** The first one is being transmitted. */
  readonly #departures: Departure[] = []
  #acceptor: LinkEnds | null = null
  #broken = false
  #bufferedBytes = 0

  constructor(from: number, to: number, traffic: Traffic, dialler: LinkEnds, isSilent: () => boolean) {
    this.from = from
    this.to = to
    this.#traffic = traffic
    this.#dialler = dialler
    this.#isSilent = isSilent
  }

  get broken(): boolean {
    return this.#broken
  }

  /** Bytes that have not arrived. */
  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  accept(acceptor: LinkEnds): void {
    this.#acceptor = acceptor
  }

  send(frame: Uint8Array): void {
    const arrivals: Arrival[] = []
    for (const delayMs of this.#traffic.fate(this.from, this.to, frame)) {
      const arrival: Arrival = { frame, delayMs, due: false }
      arrivals.push(arrival)
      this.#onTheirWay.add(arrival)
      this.#bufferedBytes += frame.byteLength
    }
    this.#departures.push({ bytes: frame.byteLength, arrivals })
    if (this.#departures.length === 1) this.#transmit()
  }

  /** Frames take the link one after the other, each for its size; then each copy travels for its delay. */
  #transmit(): void {
    for (let next = this.#departures[0]; next !== undefined; next = this.#departures[0]) {
      const ms = next.bytes / this.#traffic.bytesPerMs(this.from, this.to)
      if (ms > 0) {
        this.#traffic.schedule(ms, () => this.#transmitted())
        return
      }
      this.#depart()
    }
  }

  #transmitted(): void {
    if (this.#broken) return
    this.#depart()
    this.#transmit()
  }

  #depart(): void {
    const { arrivals } = this.#departures.shift() as Departure
    for (const arrival of arrivals) {
      this.#traffic.schedule(arrival.delayMs, () => {
        arrival.due = true
        this.release()
      })
    }
  }

  /** Delivers what is due, unless the link is silent; in order if the network keeps the order. */
  release(): void {
    if (this.#isSilent()) return
    for (const arrival of this.#onTheirWay) {
      if (!arrival.due && this.#traffic.ordered) return
      if (!arrival.due) continue
      this.#onTheirWay.delete(arrival)
      this.#bufferedBytes -= arrival.frame.byteLength
      this.#acceptor?.arrived(this, arrival.frame)
    }
  }

  /** Loses what is in flight; the dialling side notices afterwards. */
  break(): void {
    if (this.#broken) return
    this.#broken = true
    this.#onTheirWay.clear()
    this.#departures.length = 0
    this.#bufferedBytes = 0
    this.#traffic.schedule(0, () => this.#dialler.lost(this))
  }
}
