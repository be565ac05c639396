import { PairTable } from './tables.ts'

/** Sets of messages to one receiver, as sorted inputs of it, numbered; 0 is the empty set. */
export class MessageSets {
  readonly all: (readonly number[])[] = [[]]
  readonly #numbers = new Map<string, number>([['', 0]])
  readonly #unions = new PairTable()

  number(messages: Iterable<number>): number {
    const sorted = [...new Set(messages)].sort((a, b) => a - b)
    const text = sorted.join()
    let number = this.#numbers.get(text)
    if (number === undefined) {
      number = this.all.length
      this.all.push(sorted)
      this.#numbers.set(text, number)
    }
    return number
  }

  of(set: number): readonly number[] {
    return this.all[set] as readonly number[]
  }

  union(a: number, b: number): number {
    if (a === 0 || a === b) return b
    if (b === 0) return a
    let union = this.#unions.get(a, b)
    if (union < 0) {
      union = this.number([...this.of(a), ...this.of(b)])
      this.#unions.set(a, b, union)
    }
    return union
  }
}
