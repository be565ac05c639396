import type { Mutant } from './mutant.ts'

const INCARNATIONS = 'node/incarnations.ts'
const CHECKPOINTER = 'node/checkpointer.ts'
const bySimulator = { by: 'simulator' } as const

/** Defects of taking checkpoints and of restarts from them (protocol.md §9, §10). */
export const CHECKPOINTS: readonly Mutant[] = [
  {
    name: 'a checkpoint forgets PEER',
    patches: [{ file: INCARNATIONS, from: 'return [...starts, ...peers, ...met]', to: 'return [...starts, ...met]' }],
    hunter: bySimulator,
  },
  {
    name: 'a checkpoint forgets MET',
    patches: [{ file: INCARNATIONS, from: 'return [...starts, ...peers, ...met]', to: 'return [...starts, ...peers]' }],
    hunter: bySimulator,
  },
  {
    name: 'a checkpoint forgets the starts',
    patches: [{ file: INCARNATIONS, from: 'return [...starts, ...peers, ...met]', to: 'return [...peers, ...met]' }],
    hunter: bySimulator,
  },
  {
    name: 'the journal is trimmed before the checkpoint is synced',
    patches: [
      {
        file: CHECKPOINTER,
        from: '    this.#baseBytes = journalWriter.bytes\n    this.#options.arm()\n',
        to:
          '    this.#baseBytes = journalWriter.bytes\n    this.#options.arm()\n' +
          '    this.#number = journal.last\n    this.#trim(nowMs)\n',
      },
    ],
    hunter: bySimulator,
  },
  {
    name: 'a checkpoint is finished before the journal is durable up to its number',
    patches: [
      { file: CHECKPOINTER, from: 'core.afterDurable(writing.number, () => {', to: 'core.afterDurable(0, () => {' },
    ],
    hunter: bySimulator,
  },
  {
    name: 'the journal goes although a peer may need it',
    patches: [
      {
        file: CHECKPOINTER,
        from: 'Math.min(this.#number, core.oldestOwedValue - 1)',
        to: 'Math.min(this.#number, core.slot + this.#number)',
      },
    ],
    hunter: bySimulator,
  },
  {
    name: 'a damaged checkpoint is believed',
    patches: [
      {
        file: 'storage/checkpoint-format.ts',
        from: "  if (crc32(record.subarray(4)) !== readU32(record, 0)) return 'has a wrong checksum'\n",
        to: '',
      },
    ],
    hunter: bySimulator,
  },
]
