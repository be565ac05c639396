import type { Mutant } from './mutant.ts'

const READS = 'protocol/reads.ts'

/** Defects of reads without the log (protocol.md §7). */
export const READ_MUTANTS: readonly Mutant[] = [
  {
    name: 'a quorum read counts one answer too few',
    patches: [
      {
        file: READS,
        from: '  return countVotes(answered) >= context.quorums.slow\n',
        to: '  return countVotes(answered) >= context.quorums.slow - 1\n',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 0 --reads 1' },
  },
  {
    name: 'a reader counts itself, and leaves its own index out',
    patches: [
      {
        file: READS,
        from: '    writers: writersBeyond(context, keys, executed),\n    floor',
        to: '    writers: [],\n    floor',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 0 --reads 1' },
  },
  {
    name: 'the number of a probe is used again',
    patches: [
      {
        file: READS,
        from: '  const number = ++context.reads.number\n',
        to: '  const number = 1\n',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 0 --reads 2' },
  },
  {
    name: 'a probe does not name its start',
    patches: [
      {
        file: READS,
        from: 'message.start === context.start ? context.reads.probes.get(message.number) : undefined',
        to: 'context.reads.probes.get(message.number)',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 0 --restarts 1 --reads 2' },
  },
  {
    name: 'a read waits only for the writes that it knows',
    patches: [
      {
        file: READS,
        from: '  if (instance === undefined) return false\n',
        to: '  if (instance === undefined) return true\n',
      },
      {
        file: READS,
        from: '  if (!instance.known || read.everything) return false\n',
        to: '  if (!instance.known) return true\n  if (read.everything) return false\n',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 0 --reads 1' },
  },
  {
    name: 'a read waits for the highest slot of each row only',
    patches: [
      {
        file: READS,
        from: 'Math.max(waiting.slot, executed + 1)',
        to: 'Math.max(waiting.slot, executed + 1, last)',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 2 --proposers 0 --recoveries 1 --reads 1' },
  },
  {
    name: 'a read does not wait for the execution of what is committed',
    patches: [
      {
        file: READS,
        from: '  if (instance.committed && instance.command === Command.noop) return true\n  if (!instance.known',
        to: '  if (instance.committed) return true\n  if (!instance.known',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a read takes every known payload for one of another key',
    patches: [
      {
        file: READS,
        from: '  return beyond || !writes(instance.batch',
        to: '  return instance.known || !writes(instance.batch',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 0 --reads 1' },
  },
  {
    name: 'a replica does not name what it has executed itself',
    patches: [
      {
        file: READS,
        from: '  const writers = writersBeyond(context, keys, executed)\n  context.sendFreely',
        to:
          '  const writers = writersBeyond(context, keys, union(context.executed.vector, executed))\n' +
          '  context.sendFreely',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 0 --reads 1' },
  },
  {
    name: 'a replica names committed writes only',
    patches: [
      {
        file: READS,
        from: '    writers.push({ key, row, slot })\n',
        to: '    if (context.find(row, slot)?.committed) writers.push({ key, row, slot })\n',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 0 --reads 1' },
  },
  {
    name: 'a replica that was restarted names only what it has journaled since',
    patches: [
      {
        file: READS,
        from: '    writers.push({ key, row, slot })\n',
        to: '    if (context.find(row, slot)?.gate) writers.push({ key, row, slot })\n',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 0 --restarts 1 --reads 1' },
  },
  {
    name: 'a read that arrives after a probe was sent is served by it',
    patches: [
      {
        file: 'node/reads.ts',
        from: 'known !== undefined && known.turn === this.#turn && known.lo',
        to: 'known !== undefined && !known.done && known.lo',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a group of reads is answered with the first of its keys',
    patches: [
      {
        file: 'node/reads.ts',
        from: 'if (--group.left === 0 && group.open)',
        to: 'if (--group.left >= 0 && group.open)',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'several keys are read without the log',
    patches: [
      {
        file: 'engine/footprint.ts',
        from: '    if (this.#readWords !== 2 || this.#writeWords > 0',
        to: '    if (this.#readWords < 2 || this.#writeWords > 0',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a min read is answered from the state as it is',
    patches: [
      { file: READS, from: '  settle(context, read, upTo)\n}', to: '  if (upTo.length > 0) context.answer(read)\n}' },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a token leaves out what has executed after a gap',
    patches: [
      {
        file: 'protocol/executed.ts',
        from: 'if (slot > highest) highest = slot\n',
        to: 'if (slot < 0) highest = slot\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'the age of a stale read counts from the last check, finished or not',
    patches: [
      {
        file: 'node/freshness.ts',
        from: 'nowMs - this.#freshMs\n',
        to: 'nowMs - this.#begunMs\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a read of everything waits for unknown payloads only',
    patches: [
      {
        file: READS,
        from: '  if (!instance.known || read.everything) return false\n',
        to: '  if (!instance.known) return false\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
]
