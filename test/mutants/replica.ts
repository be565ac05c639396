import type { Mutant } from './mutant.ts'

/** Defects of the replica around the core: proposals and their answers. */
export const REPLICA: readonly Mutant[] = [
  {
    name: 'what became a no-op is not proposed again',
    patches: [
      {
        file: 'node/proposals.ts',
        from: '    this.#queue.unshift(gathered)\n',
        to: '    if (slot < 0) this.#queue.unshift(gathered)\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'what became a no-op is refused, although others may have it done',
    patches: [
      {
        file: 'node/proposals.ts',
        from: '    this.#queue.unshift(gathered)\n    this.#queuedBytes += gathered.batch.commands.length\n',
        to:
          "    const refused = { outcome: 'refused', code: ErrorCode.busy, message: '' } as const\n" +
          '    for (const entry of gathered.entries) this.#answer(entry, refused)\n' +
          '    this.#queue.unshift(gathered)\n' +
          '    this.#queuedBytes += gathered.batch.commands.length\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'what was not answered in time is refused, although it may be done',
    patches: [
      {
        file: 'node/proposals.ts',
        from: "this.#answer(entry, { outcome: 'unknown', code, message })",
        to: "this.#answer(entry, { outcome: 'refused', code, message })",
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'what has waited for long is refused although it was proposed',
    patches: [
      {
        file: 'node/proposals.ts',
        from: '  poll(nowMs: number): void {\n    this.#shed(nowMs)\n',
        to:
          '  poll(nowMs: number): void {\n' +
          '    this.#shed(nowMs)\n' +
          '    for (const { entries, sinceMs } of this.#running.values()) {\n' +
          '      if (nowMs - sinceMs < this.#admission.longestWaitMs) continue\n' +
          "      for (const entry of entries) this.#answer(entry, { outcome: 'refused', code: ErrorCode.busy, " +
          "message: '' })\n" +
          '    }\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a batch that is refused for its age is proposed all the same',
    patches: [
      {
        file: 'node/proposals.ts',
        from: '      else this.#refuse(this.#unqueue(at))\n',
        to:
          '      else {\n' +
          '        this.#refuse(this.#queue[at] as Gathered)\n' +
          '        ;(this.#queue[at] as Gathered).proposedMs = nowMs\n' +
          '      }\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'an answer is that of the next group of its batch',
    patches: [
      {
        file: 'node/proposals.ts',
        from: '      const end = at < results.length ? groupEnd(results, at) : at\n',
        to:
          '      const end = at < results.length ? groupEnd(results, at) : at\n' +
          '      at = end < results.length ? end : at\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a replica takes part although its disk is full',
    patches: [{ file: 'node/composition.ts', from: '              hooks.suspend(full)\n', to: '' }],
    hunter: { by: 'simulator' },
  },
  {
    name: 'updates are refused for ever once the disk was nearly full',
    patches: [
      {
        file: 'node/composition.ts',
        from: '              this.proposals.onlyReads = nearlyFull\n',
        to: '              this.proposals.onlyReads ||= nearlyFull\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
]
