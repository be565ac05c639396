/**
 * What a client has seen, as a token. Each answer brings the token of its replica. Those of one replica only grow, so
 * the last one of each link is enough; they are put together when somebody asks.
 */
export class Tokens {
  #last = new Map<object, string>()

  /** An answer came over the link. */
  heard(link: object, token: string): void {
    if (token !== '') this.#last.set(link, token)
  }

  /** Empty before the first answer. */
  get token(): string {
    const token = [...this.#last.values()].reduce(union, '')
    // Links that are gone must not pile up.
    this.#last = new Map(token === '' ? [] : [[this, token]])
    return token
  }
}

/** A state as new as this is as new as both. A later epoch contains all of an earlier one. */
export function union(a: string, b: string): string {
  if (a === '' || b === '') return a || b
  const [cluster, epochOfA, slotsOfA = ''] = a.split('-')
  const [, epochOfB, slotsOfB = ''] = b.split('-')
  if (epochOfA !== epochOfB) return Number(epochOfA) > Number(epochOfB) ? a : b
  const others = slotsOfB.split('.').map(Number)
  const slots = slotsOfA.split('.').map((slot, row) => Math.max(Number(slot), others[row] ?? 0))
  return `${cluster}-${epochOfA}-${slots.join('.')}`
}
