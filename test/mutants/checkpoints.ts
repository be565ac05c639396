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
  {
    name: 'the replay begins before the checkpoint',
    patches: [{ file: 'node/replay.ts', from: 'journal.scan(after + 1)', to: 'journal.scan(after)' }],
    hunter: bySimulator,
  },
  {
    name: 'the replay leaves out the first value after the checkpoint',
    patches: [{ file: 'node/replay.ts', from: 'journal.scan(after + 1)', to: 'journal.scan(after + 2)' }],
    hunter: bySimulator,
  },
  {
    name: 'a restart without its checkpoint is a new replica',
    patches: [{ file: 'node/restore.ts', from: '  if (journal.first > 1 ||', to: '  if (journal.first < 1 ||' }],
    hunter: bySimulator,
  },
  {
    name: 'sessions are not restored from a checkpoint, the own or that of a peer',
    patches: [{ file: 'execution/executor.ts', from: '        sessions.finish()\n', to: '' }],
    hunter: bySimulator,
  },
  {
    name: 'a checkpoint forgets open instances: votes and promises',
    patches: [
      {
        file: 'protocol/image.ts',
        from: "    for (const record of this.#open) yield { kind: 'open', record }\n",
        to: '',
      },
    ],
    hunter: bySimulator,
  },
  {
    name: 'a checkpoint forgets the index of what has executed',
    patches: [
      {
        file: 'protocol/image.ts',
        from: '  context.engine.enterExecuted(row, slot, footprint)\n',
        to: '  context.engine.enterExecuted(row, slot, isNoop ? footprint : null)\n',
      },
    ],
    hunter: bySimulator,
  },
]
