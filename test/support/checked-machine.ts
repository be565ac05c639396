import { FootprintBuilder, hashed, hashKey } from '../../src/engine/footprint.ts'
import type { StateMachine } from '../../src/execution/machine.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { Table } from '../../src/machine/table.ts'

/** Called for every key that a state machine touches: a range of a larger array. */
export interface Access {
  read(bytes: Uint8Array, start: number, end: number): void
  write(bytes: Uint8Array, start: number, end: number): void
}

/**
 * A state machine whose `apply` may touch only the keys that its `footprint` names, and write only those that it names
 * as written; anything else throws. `make` gets the hook that the machine must call for its accesses.
 */
export function checkedMachine(make: (access: Access) => StateMachine): StateMachine {
  /** The hashes that the current command may read and write; null between commands. */
  let allowed: { readonly read: Set<string>; readonly write: Set<string>; readonly everything: boolean } | null = null
  const check = (kind: 'read' | 'write', bytes: Uint8Array, start: number, end: number) => {
    if (allowed === null || allowed.everything) return
    hashKey(bytes, start, end)
    if (allowed[kind].has(`${hashed.lo},${hashed.hi}`)) return
    const key = JSON.stringify(String.fromCharCode(...bytes.subarray(start, end)))
    throw new Error(`apply would ${kind} the key ${key}, which its footprint does not name so`)
  }
  const machine = make({
    read: (bytes, start, end) => check('read', bytes, start, end),
    write: (bytes, start, end) => check('write', bytes, start, end),
  })
  return {
    footprint: (bytes, start, end, keys) => machine.footprint(bytes, start, end, keys),
    apply(bytes, start, end, result) {
      allowed = allowedBy(machine, bytes, start, end)
      try {
        machine.apply(bytes, start, end, result)
      } finally {
        allowed = null
      }
    },
    snapshot: () => machine.snapshot(),
    restore: (chunks) => machine.restore(chunks),
    ...(machine.stateHash === undefined ? {} : { stateHash: () => (machine.stateHash as () => string)() }),
  }
}

function allowedBy(machine: StateMachine, bytes: Uint8Array, start: number, end: number) {
  const builder = new FootprintBuilder()
  machine.footprint(bytes, start, end, builder)
  const words = builder.take()
  const header = words[0] as number
  const writes = header % 0x8000_0000
  const read = new Set<string>()
  const write = new Set<string>()
  for (let key = 0; 1 + 2 * key < words.length; key++) {
    const hash = `${words[1 + 2 * key]},${words[2 + 2 * key]}`
    read.add(hash)
    if (key < writes) write.add(hash)
  }
  return { read, write, everything: header >= 0x8000_0000 }
}

/** A table that reports its accesses. */
export class WatchedTable extends Table {
  readonly #access: Access

  constructor(access: Access) {
    super()
    this.#access = access
  }

  override find(bytes: Uint8Array, start: number, end: number): number {
    this.#access.read(bytes, start, end)
    return super.find(bytes, start, end)
  }

  override put(
    bytes: Uint8Array,
    start: number,
    end: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    this.#access.write(bytes, start, end)
    super.put(bytes, start, end, value, valueStart, valueEnd)
  }

  override remove(bytes: Uint8Array, start: number, end: number): boolean {
    this.#access.write(bytes, start, end)
    return super.remove(bytes, start, end)
  }
}

/** The key-value store under {@link checkedMachine}. */
export function checkedKeyValueStore(): StateMachine {
  return checkedMachine((access) => new KeyValueStore(() => new WatchedTable(access)))
}
