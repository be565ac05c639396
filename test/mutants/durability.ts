import type { Mutant } from './mutant.ts'

const notSynced = (file: string, type: string) => ({
  file,
  from: `  context.record(instance, {\n    type: RecordType.${type},`,
  to: `  context.recordLazily(instance, {\n    type: RecordType.${type},`,
})

/** Defects of the order of durability, and of restarts (protocol.md §9). */
export const DURABILITY: readonly Mutant[] = [
  {
    name: 'PRE not synced',
    patches: [notSynced('protocol/preaccept.ts', 'pre')],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 1 --restarts 1' },
  },
  {
    name: 'BAL not synced',
    patches: [notSynced('protocol/recover.ts', 'bal')],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 1 --restarts 1' },
  },
  {
    name: 'ACC not synced',
    patches: [notSynced('protocol/accept.ts', 'acc')],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 2 --restarts 1' },
  },
  {
    name: 'VAL not synced',
    patches: [notSynced('protocol/validate.ts', 'val')],
    hunter: {
      by: 'model-check',
      bounds: '--replicas 5 --opening validated --instances 2 --proposers 0,4 --recoveries 1 --restarts 2',
    },
  },
  {
    name: 'the COM of a fast commit not synced',
    patches: [{ file: 'protocol/preaccept.ts', from: 'durably: true,', to: 'durably: false,' }],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 1 --restarts 1' },
  },
  {
    name: 'messages do not wait for the journal',
    patches: [
      {
        file: 'protocol/context.ts',
        from: '    this.afterDurable(instance.gate, () => this.#messages.push({ to, message }))\n',
        to: '    this.#messages.push({ to, message })\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a fast commit is executed and answered before it is durable',
    patches: [
      {
        file: 'protocol/context.ts',
        from: '    this.afterDurable(decidedHere ? instance.gate : 0, () => this.#commits.push(instance))\n',
        to: '    this.#commits.push(instance)\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'own slots are used again after a restart',
    patches: [
      {
        file: 'protocol/replay.ts',
        from: '  const instance = context.open(record.row, record.slot)\n',
        to:
          '  const { row, slot } = record\n' +
          '  const instance = context.find(row, slot) ?? context.row(row).make(slot)\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a promise is not restored after a restart',
    patches: [
      {
        file: 'protocol/replay.ts',
        from: '  transition(instance, record)\n',
        to: '  if (record.type !== RecordType.bal) transition(instance, record)\n',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 2 --restarts 1' },
  },
  {
    name: 'the vote ballot is not restored after a restart',
    patches: [
      {
        file: 'protocol/replay.ts',
        from: '  transition(instance, record)\n',
        to: '  transition(instance, record)\n  if (record.type === RecordType.acc) instance.voteBallot = 0\n',
      },
    ],
    hunter: {
      by: 'model-check',
      bounds: '--opening two-votes --instances 2 --proposers 0,1 --recoveries 2 --restarts 1',
    },
  },
  {
    name: 'a batch that a commit brought is not journaled',
    patches: [
      {
        file: 'protocol/commit.ts',
        from: 'batch: isNoop ? null : context.batchToRecord(instance),',
        to: 'batch: null,',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'heartbeats announce what has executed, durable or not',
    patches: [
      {
        file: 'protocol/heartbeat.ts',
        from: '  const executed = context.durably.set.vector\n',
        to: '  const executed = context.executed.vector\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'checksums of the journal are not compared',
    patches: [
      {
        file: 'codec/records.ts',
        from: '  if (crc32(flatbuffer) !== reader.view.getUint32(at + 4, true))',
        to: '  if (crc32(flatbuffer) < 0)',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a disk calls durable what came while it wrote',
    patches: [
      { file: 'storage/memory.ts', from: '      this.#onDurable(upTo)\n', to: '      this.#onDurable(this.last)\n' },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a journal value is written over before it is on the disk',
    patches: [{ file: 'codec/records.ts', from: '  return writer.copy()\n', to: '  return writer.since(0)\n' }],
    hunter: { by: 'simulator' },
  },
]
