import { ListMachine } from './list-machine.ts'
import type { KeyOptions } from './options.ts'
import type { Ask, Workload } from './workload.ts'

interface ListAsk extends Ask {
  readonly key: string
  /** Null to read. */
  readonly value: string | null
}

/** Appends of values that occur once, and reads of whole lists. */
export function listWorkload({ reads }: KeyOptions): Workload<ListAsk> {
  const encoder = new TextEncoder()
  const decoder = new TextDecoder()
  const read = (pool: string, key: string): ListAsk => ({ pool, key, value: null, text: `r ${key}` })
  return {
    machine: () => new ListMachine(),
    draw: (random, pool, unique) => {
      const key = random.pick(pool.keys)
      if (random.chance(reads)) return read(key, key)
      return { pool: key, key, value: unique, text: `a ${key} ${unique}` }
    },
    command: ({ text }) => encoder.encode(text),
    marker: (unique) => encoder.encode(`r ${unique}`),
    output: (_, result) => decoder.decode(result),
    readAll: (pool) => pool.keys.map((key) => read(key, key)),
    model: {
      partition: ({ pool }) => pool,
      initial: '',
      key: (list: string) => list,
      step: (list: string, { value }, output) => {
        if (value === null) return output === null || output === list ? { state: list } : null
        const state = list === '' ? value : `${list},${value}`
        return output === null || Number(output) === state.split(',').length ? { state } : null
      },
      describe: ({ text }, output) => `${text} -> ${output ?? '?'}`,
    },
  }
}
