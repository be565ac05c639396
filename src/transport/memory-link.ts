/** A link through which nothing arrives any more, without an error, is given up after this time. */
export const SILENCE_MS = 3000

/** How a frame travels: the options of the network that a link needs. */
export interface Traffic {
  readonly schedule: (delayMs: number, action: () => void) => unknown
  readonly fate: (from: number, to: number, frame: Uint8Array) => readonly number[]
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
  due: boolean
}

/** One direction between two replicas, from the dial to its end, with the frames in flight. */
export class MemoryLink {
  readonly from: number
  readonly to: number
  readonly #traffic: Traffic
  readonly #dialler: LinkEnds
  readonly #isSilent: () => boolean
  readonly #onTheirWay = new Set<Arrival>()
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
    for (const delayMs of this.#traffic.fate(this.from, this.to, frame)) {
      const arrival: Arrival = { frame, due: false }
      this.#onTheirWay.add(arrival)
      this.#bufferedBytes += frame.byteLength
      this.#traffic.schedule(delayMs, () => {
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
    this.#bufferedBytes = 0
    this.#traffic.schedule(0, () => this.#dialler.lost(this))
  }
}
