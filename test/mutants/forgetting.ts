import type { Mutant } from './mutant.ts'

/** Defects of forgetting (protocol.md §10). */
export const FORGETTING: readonly Mutant[] = [
  {
    name: 'a late PreAccept is not raised to what was forgotten since',
    patches: [
      {
        file: 'protocol/preaccept.ts',
        from: 'union(context.engine.dependencies(row, slot, message.batch.footprint), context.dropped)',
        to: 'context.engine.dependencies(row, slot, message.batch.footprint)',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'the floor rule left out',
    patches: [
      {
        file: 'protocol/preaccept.ts',
        from: 'union(context.engine.dependencies(row, slot, message.batch.footprint), context.dropped)',
        to: 'context.engine.dependencies(row, slot, message.batch.footprint)',
      },
      {
        file: 'protocol/preaccept.ts',
        from: 'union(context.engine.dependencies(instance.row, instance.slot, batch.footprint), context.floor)',
        to: 'context.engine.dependencies(instance.row, instance.slot, batch.footprint)',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'the floor counts only members that are up',
    patches: [
      {
        file: 'protocol/floor.ts',
        from: '    peers.others.reduce((least, id)',
        to: '    peers.others.filter((id) => peers.alive(id)).reduce((least, id)',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'what has executed here is forgotten, whoever else has executed it',
    patches: [
      {
        file: 'protocol/floor.ts',
        from: '  const own = Math.min(floor[row] as number, durably.set.prefix(row))\n',
        to: '  const own = Math.max(floor[row] as number, durably.set.prefix(row))\n  if (own > 0) return own\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'the floor is applied to vectors that are accepted',
    patches: [
      {
        file: 'protocol/accept.ts',
        from: '    vote(context, instance, ballot, command, message.deps)\n',
        to:
          '    const raised = message.deps.map((slot, r) =>\n' +
          '      command === Command.noop || r === row ? slot : Math.max(slot, context.floor[r] as number),\n    )\n' +
          '    vote(context, instance, ballot, command, raised)\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'the floor is applied to vectors that are validated',
    patches: [
      {
        file: 'protocol/validate.ts',
        from: '  const conflicts = validate(context, instance, message.batch, message.deps)\n',
        to:
          '  const raised = message.deps.map((last, r) =>\n' +
          '    r === row ? last : Math.max(last, context.floor[r] as number),\n  )\n' +
          '  const conflicts = validate(context, instance, message.batch, raised)\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a request about what is forgotten is answered as if nothing had ever been known',
    patches: [
      {
        file: 'protocol/request.ts',
        from: '  if (context.isForgotten(row, slot)) {\n',
        to: '  if (context.isForgotten(row, slot) && slot < 0) {\n',
      },
      {
        file: 'protocol/row.ts',
        from: '    assert(slot > this.#dropped && !this.find(slot),',
        to: '    assert(slot > 0,',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a Commit of what is forgotten commits it again',
    patches: [
      {
        file: 'protocol/commit.ts',
        from: '  if (context.isForgotten(message.row, message.slot)) return\n',
        to: '',
      },
      {
        file: 'protocol/row.ts',
        from: '    assert(slot > this.#dropped && !this.find(slot),',
        to: '    assert(slot > 0,',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'instances are forgotten while an image is read',
    patches: [{ file: 'protocol/floor.ts', from: '  if (context.images > 0) return\n', to: '' }],
    hunter: { by: 'simulator' },
  },
]
