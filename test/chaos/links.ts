import { Valve } from '../support/valve.ts'

/** The links of a cluster, each through a proxy of its own: each direction can be cut, delayed or broken separately. */
export class Links {
  readonly #valves = new Map<string, Valve>()

  /** For `LiveOptions.via`. */
  readonly via = async (from: number, to: number, port: number): Promise<number> => {
    const valve = await Valve.open(port)
    this.#valves.set(`${from}>${to}`, valve)
    return valve.port
  }

  /** Messages go nowhere, and neither side notices. */
  cut(from: number, to: number): void {
    this.#valves.get(`${from}>${to}`)?.shut()
  }

  /** All links of a replica, in both directions. */
  of(id: number): Valve[] {
    return [...this.#valves].flatMap(([name, valve]) => (name.split('>').includes(`${id}`) ? [valve] : []))
  }

  /** Removes all cuts and delays. */
  heal(): void {
    for (const valve of this.#valves.values()) {
      valve.delayMs = 0
      valve.reopen()
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#valves.values()].map((valve) => valve.close()))
  }
}
