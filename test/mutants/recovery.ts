import type { Mutant } from './mutant.ts'

const FIVE = '--replicas 5 --instances 3 --proposers 0,1,2 --recoveries 3 --walks 100000000 --steps 80'

/** Defects of recovery (protocol.md §4 and §14). */
export const RECOVERY: readonly Mutant[] = [
  {
    name: 'one ballot field: a promise carries the vote along',
    patches: [
      {
        file: 'protocol/transition.ts',
        from: '      instance.ballot = record.ballot\n      return\n',
        to:
          '      instance.ballot = record.ballot\n' +
          '      if (instance.phase === Phase.accepted) instance.voteBallot = record.ballot\n      return\n',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 3' },
  },
  {
    name: 'case b takes any accepted value, not that of the highest vote ballot',
    patches: [
      { file: 'protocol/recover.ts', from: 'a.voteBallot === highest && a.phase', to: 'highest >= 0 && a.phase' },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 3' },
  },
  {
    name: 'case c left out: the initial coordinator in Q means nothing',
    patches: [
      {
        file: 'protocol/recover.ts',
        from: '  if (hasVote(attempt.answered, instance.row)) return acceptNoop(context, instance)\n',
        to: '',
      },
    ],
    hunter: {
      by: 'model-check',
      bounds: '--replicas 5 --opening waits-for-coordinator --instances 2 --proposers 0,3 --recoveries 2',
    },
  },
  {
    name: 'case d asks for one more than a fast commit leaves',
    patches: [
      {
        file: 'protocol/recover.ts',
        from: 'agreeing.length < size - context.quorums.fastCrashes',
        to: 'agreeing.length <= size - context.quorums.fastCrashes',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 1' },
  },
  {
    name: 'R takes also those whose dependencies are not the initial ones',
    patches: [
      {
        file: 'protocol/recover.ts',
        from:
          '  const agreeing = answers.filter((a) => a.phase === Phase.preAccepted && equal(a.deps as Vector, ' +
          'a.initDeps as Vector))',
        to: '  const agreeing = answers.filter((a) => a.phase === Phase.preAccepted)',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 2 --recoveries 1' },
  },
  {
    name: 'a recoverer leaves out what it knows itself',
    patches: [
      {
        file: 'protocol/recover.ts',
        from: 'attempt, context.id, answer(context, instance))',
        to: 'attempt, context.id, { ...answer(context, instance), phase: Phase.none })',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 1' },
  },
  {
    name: 'Validate without its phase guard',
    patches: [
      { file: 'protocol/validate.ts', from: ' || instance.phase === Phase.accepted) return', to: ') return' },
      {
        file: 'protocol/validate.ts',
        from: 'instance.phase === Phase.none || instance.phase === Phase.preAccepted,',
        to: 'instance.phase !== Phase.committed,',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 2 --recoveries 1' },
  },
  {
    name: 'Validate left out',
    patches: [
      {
        file: 'protocol/recover.ts',
        from: "import { assert } from './assert.ts'\n",
        to:
          "import { startAccept } from './accept.ts'\nimport { assert } from './assert.ts'\n" +
          "import { learnBatch } from './commit.ts'\nimport { Command } from './messages.ts'\n",
      },
      {
        file: 'protocol/recover.ts',
        from:
          '  startValidate(context, instance, attempt, agreeing.length, first.batch as Batch, first.deps as ' +
          'Vector)\n',
        to:
          '  learnBatch(context, instance, first.batch as Batch)\n' +
          '  startAccept(context, instance, attempt.ballot, Command.batch, first.deps as Vector, ' +
          'attempt.holders, true)\n',
      },
    ],
    hunter: { by: 'model-check', bounds: '--replicas 5 --instances 2 --recoveries 2 --walks 100000000 --steps 60' },
  },
  {
    name: 'Validate stores neither the batch nor the initial dependencies',
    patches: [
      { file: 'protocol/validate.ts', from: '  learnBatch(context, instance, batch)\n', to: '' },
      {
        file: 'protocol/transition.ts',
        from: 'val:\n      instance.command = Command.batch\n      instance.initDeps = record.initDeps\n',
        to: 'val:\n',
      },
      { file: 'protocol/validate.ts', from: 'batch: context.batchToRecord(instance),', to: 'batch,' },
    ],
    hunter: { by: 'model-check', bounds: FIVE },
  },
  {
    name: 'I is taken from the highest of each row',
    patches: [
      {
        file: 'protocol/validate.ts',
        from:
          '  const open: Conflict[] = []\n' +
          '  for (const id of context.engine.conflicts(row, slot, batch.footprint, deps)) {\n',
        to:
          '  const open: Conflict[] = []\n  const all = context.engine.conflicts(row, slot, batch.footprint, deps)\n' +
          '  for (const id of all.filter((x) => all.every((y) => y.row !== x.row || y.slot <= x.slot))) {\n',
      },
    ],
    hunter: {
      by: 'model-check',
      bounds: '--replicas 5 --opening hidden-behind-harmless --instances 3 --proposers 0,1 --recoveries 1',
    },
  },
  {
    name: 'a recoverer takes a ballot that belongs to another replica',
    patches: [
      { file: 'protocol/ballots.ts', from: 'return next + ((replica - (', to: 'return next + ((replica + 1 - (' },
    ],
    hunter: { by: 'simulator', replicas: 3 },
  },
  {
    name: 'I is computed with the dependencies instead of the initial ones',
    patches: [
      {
        file: 'protocol/validate.ts',
        from: '!includes(other.initDeps, row, slot)',
        to: '!includes(other.deps ?? other.initDeps, row, slot)',
      },
    ],
    hunter: {
      by: 'model-check',
      bounds: '--replicas 5 --opening accepted-noop --instances 2 --proposers 0,1 --recoveries 2',
    },
  },
  {
    name: 'a no-op counts as committed against a recovered instance',
    patches: [
      {
        file: 'protocol/wait.ts',
        from: 'return committed.command !== Command.noop && !includes(',
        to: 'return !includes(',
      },
    ],
    hunter: {
      by: 'model-check',
      bounds: '--replicas 5 --opening beside-a-noop --instances 2 --proposers 0,1 --recoveries 2',
    },
  },
  {
    name: 'one of I outside Q ends a recovery, however many agree',
    patches: [{ file: 'protocol/validate.ts', from: '(least && !hasVote', to: '(least !== null && !hasVote' }],
    hunter: { by: 'model-check', bounds: FIVE },
  },
  {
    name: 'one of I outside Q never ends a recovery',
    patches: [{ file: 'protocol/validate.ts', from: ' || (least && !hasVote(attempt.quorum, x.row))', to: '' }],
    hunter: { by: 'simulator' },
  },
  {
    name: 'no wait: what is open makes a no-op',
    patches: [
      {
        file: 'protocol/validate.ts',
        from: 'if (impossible) return',
        to: 'if (impossible || conflicts.length > 0) return',
      },
    ],
    hunter: { by: 'model-check', bounds: '--replicas 5 --instances 2 --recoveries 2 --walks 100000000 --steps 60' },
  },
  {
    name: 'no wait: what is open makes the batch',
    patches: [
      {
        file: 'protocol/validate.ts',
        from: '  startWait(context, instance, attempt, conflicts)\n',
        to: '  startAccept(context, instance, attempt.ballot, Command.batch, attempt.deps, attempt.holders, true)\n',
      },
    ],
    hunter: { by: 'model-check', bounds: '--replicas 5 --instances 2 --recoveries 2 --walks 100000000 --steps 60' },
  },
  {
    name: 'a Waiting ends another wait, however few agree',
    patches: [{ file: 'protocol/wait.ts', from: '.waitingHeard > waiting)', to: '.waitingHeard > 0 * waiting)' }],
    hunter: {
      by: 'model-check',
      bounds: '--replicas 5 --opening waits-for-one --instances 2 --proposers 0,3 --recoveries 2',
    },
  },
  {
    name: 'a lower ballot is promised after a higher one',
    patches: [
      {
        file: 'protocol/recover.ts',
        from: '  if (ballot < instance.ballot) {\n    const nack',
        to: '  if (ballot < 0) {\n    const nack',
      },
      {
        file: 'protocol/recover.ts',
        from: '  if (ballot > instance.ballot) {\n',
        to: '  if (ballot !== instance.ballot) {\n',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 2' },
  },
  {
    name: 'an instance that is accepted as a no-op leaves the conflict index',
    patches: [
      {
        file: 'engine/reference.ts',
        from: '    instance.outcome = deps === null ? null : [...deps]\n',
        to:
          '    instance.outcome = deps === null ? null : [...deps]\n' +
          '    if (deps === null) instance.payload = null\n' +
          '    this.#reindex()\n',
      },
      {
        file: 'engine/reference.ts',
        from: '    this.#keys.clear()\n    for (const { instances }',
        to: '    this.#reindex()\n  }\n\n  #reindex(): void {\n    this.#keys.clear()\n    for (const { instances }',
      },
    ],
    hunter: { by: 'simulator', engine: 'reference', replicas: 5 },
  },
]
