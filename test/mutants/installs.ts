import type { Mutant } from './mutant.ts'

const INSTALL = 'protocol/install.ts'
const bySimulator = { by: 'simulator', absences: true } as const

/** Defects of taking over what has executed at a peer (protocol.md §10, "Install, never merge"). */
export const INSTALLS: readonly Mutant[] = [
  {
    name: 'an install unites what has executed here with the checkpoint: union instead of replace',
    patches: [
      {
        file: 'node/checkpoint-giver.ts',
        from: '    if (contains(executedBy(newest.header), needed)) return this.#keep(newest, nowMs)\n',
        to: '    if (contains(executedBy(newest.header), needed) || nowMs >= 0) return this.#keep(newest, nowMs)\n',
      },
      {
        file: 'node/catch-up.ts',
        from: '        return lacking.some((instance)',
        to: '        return header.journal >= 0 || lacking.some((instance)',
      },
      {
        file: INSTALL,
        from: "contains(executedOf(head.executed, head.beyond), here), 'an image contains what has executed here')",
        to: 'contains(here, here), here.prefix.join())',
      },
      {
        file: INSTALL,
        from: '  context.executed.restore(head.executed, head.beyond)\n',
        to:
          '  for (const [row, upTo] of head.executed.entries()) {\n' +
          '    const slots = [...(head.beyond[row] ?? [])]\n' +
          '    for (let slot = context.executed.prefix(row) + 1; slot <= upTo; slot++) slots.push(slot)\n' +
          '    for (const slot of slots) if (!context.executed.has(row, slot)) context.executed.add(row, slot)\n' +
          '  }\n',
      },
    ],
    hunter: bySimulator,
  },
  {
    name: 'an install forgets the own votes and promises',
    patches: [
      {
        file: INSTALL,
        from: '      if (instance.batch !== null) engine.enter(',
        to:
          '      if (!instance.committed) instance.phase = instance.ballot = instance.voteBallot = 0\n' +
          '      if (instance.batch !== null) engine.enter(',
      },
    ],
    hunter: bySimulator,
  },
  {
    name: 'what was installed is announced before it is durable',
    patches: [
      {
        file: INSTALL,
        from: '  context.durably.hold(executedOf(head.executed, head.beyond))\n',
        to:
          '  context.durably.hold(executedOf(head.executed, head.beyond))\n' +
          '  context.durably.settle(head.executed, head.beyond)\n',
      },
    ],
    hunter: bySimulator,
  },
  {
    name: 'an install forgets the index of what has executed elsewhere',
    patches: [{ file: INSTALL, from: '    indexed.push({ row, slot, footprint })\n', to: '' }],
    hunter: bySimulator,
  },
  {
    name: 'an install forgets the index of what has executed here',
    patches: [{ file: INSTALL, from: '  const indexed = indexOf(context)\n', to: '  const indexed: Indexed[] = []\n' }],
    hunter: bySimulator,
  },
  {
    name: 'what is committed here and not in the checkpoint does not execute',
    patches: [{ file: INSTALL, from: '      if (instance.committed) context.execute(instance, true)\n', to: '' }],
    hunter: bySimulator,
  },
  {
    name: 'an install leaves the state of the machine as it was',
    patches: [{ file: 'execution/executor.ts', from: '        machine.finish()\n', to: '' }],
    hunter: bySimulator,
  },
]
