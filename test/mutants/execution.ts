import type { Mutant } from './mutant.ts'

const REFERENCE = 'engine/reference.ts'

/**
 * Defects of the order of execution, and of exactly once (protocol.md §6 and §8). Those of the order are in the
 * reference engine.
 */
export const EXECUTION: readonly Mutant[] = [
  {
    name: 'only the highest of a prefix is a dependency',
    patches: [
      {
        file: REFERENCE,
        from: '      for (const other of unexecuted(state, upTo)) {\n',
        to: '      for (const other of unexecuted(state, upTo)) {\n        if (other.slot !== upTo) continue\n',
      },
    ],
    hunter: { by: 'simulator', engine: 'reference' },
  },
  {
    name: 'an unknown member of a prefix blocks nothing',
    patches: [
      {
        file: REFERENCE,
        from: '      if (unknown <= upTo) missing.push({ row: r, slot: unknown })\n',
        to: '      if (unknown < 0) missing.push({ row: r, slot: unknown })\n',
      },
    ],
    hunter: { by: 'simulator', engine: 'reference' },
  },
  {
    name: 'an uncommitted dependency blocks nothing',
    patches: [
      {
        file: REFERENCE,
        from: '        if (other.outcome === undefined) uncommitted.push(other)\n',
        to: '        if (other.outcome === undefined) continue\n',
      },
    ],
    hunter: { by: 'simulator', engine: 'reference' },
  },
  {
    name: 'ties in a component by arrival',
    patches: [{ file: REFERENCE, from: 'members: members.sort(byInstance) }', to: 'members: members }' }],
    hunter: { by: 'simulator', engine: 'reference' },
  },
  {
    name: 'components as they come, not dependencies first',
    patches: [
      {
        file: REFERENCE,
        from: '    leveled.sort((a, b) => a.level - b.level || byInstance(first(a.members), first(b.members)))\n',
        to: '    leveled.sort((a, b) => byInstance(first(a.members), first(b.members)))\n',
      },
    ],
    hunter: { by: 'simulator', engine: 'reference' },
  },
  {
    name: 'a second Commit executes again',
    patches: [
      {
        file: 'protocol/commit.ts',
        from: ' with another outcome`)\n    }\n    return\n',
        to: ' with another outcome`)\n    }\n    return context.execute(instance, false)\n',
      },
      {
        file: 'execution/executor.ts',
        from: '    if (this.executed.has(row, slot)) return\n    this.#options.engine.commit(',
        to: '    this.#options.engine.commit(',
      },
      { file: REFERENCE, from: '    if (known?.outcome !== undefined) return\n', to: '' },
    ],
    hunter: { by: 'simulator', engine: 'reference' },
  },
  {
    name: 'a no-op is executed as its batch',
    patches: [
      {
        file: 'protocol/core.ts',
        from: '    if (instance.command === Command.noop) return null\n',
        to: '    if (instance.batch === null) return null\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'sessions know only the highest request, and their updates do not interfere',
    patches: [
      {
        file: 'execution/session.ts',
        from: '    if (number <= this.#acknowledged) return Status.expired\n',
        to:
          '    if (number <= Math.max(this.#acknowledged, this.highest)) return Status.expired\n' +
          '    this.highest = number\n',
      },
      {
        file: 'execution/session.ts',
        from: '  #acknowledged = 0\n',
        to: '  #acknowledged = 0\n  private highest = 0\n',
      },
      {
        file: 'execution/groups.ts',
        from: '  keys.write(sessionKey, 0,',
        to: '  if (group.length < 0) keys.write(sessionKey, 0,',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'updates of one session do not interfere',
    patches: [
      {
        file: 'execution/groups.ts',
        from: '  keys.write(sessionKey, 0,',
        to: '  if (group.length < 0) keys.write(sessionKey, 0,',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a request of a session that was executed is executed again',
    patches: [
      {
        file: 'execution/session.ts',
        from: '    if (found !== undefined) {\n',
        to: '    if (found !== undefined && number < 0) {\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a session lets go of results that were not acknowledged',
    patches: [
      {
        file: 'execution/batch-run.ts',
        from: '    session.trim(group.acknowledged)\n    session.enter(',
        to: '    session.trim(group.first + group.index - 1)\n    session.enter(',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a session that was expired opens again',
    patches: [
      {
        file: 'execution/sessions.ts',
        from: '    if (this.leavesTombstone(id)) this.#bury(id, this.#generation)\n',
        to: '',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'the rest of a batch is forgotten when its slice ends',
    patches: [
      { file: 'execution/batch-run.ts', from: '    return this.#bytes.length === 0\n', to: '    return true\n' },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'the next slice of a batch executes its group from the beginning',
    patches: [
      {
        file: 'execution/batch-run.ts',
        from: '    while (this.#bytes.length > 0 && !budget',
        to: '    if (this.#done === 2) this.#open(0)\n    while (this.#bytes.length > 0 && !budget',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a new order is begun before the last one has ended',
    patches: [
      {
        file: 'execution/executor.ts',
        from: '    if (this.betweenComponents && this.#at === this.#words) this.#takeOrder()\n',
        to: '    if (this.betweenComponents && this.#fresh) this.#takeOrder()\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'what a session keeps is built only where it is answered',
    patches: [
      {
        file: 'execution/batch-run.ts',
        from: '    made.begin()\n',
        to: '    made.begin(this.#results === null ? -1 : Number.POSITIVE_INFINITY)\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a session that was opened by a command opens again after its end',
    patches: [
      {
        file: 'execution/sessions.ts',
        from: 'return isOpenedName(id) || this.#tombstones.has(id) ? null',
        to: 'return this.#tombstones.has(id) ? null',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'the opening of a session does not interfere with its updates',
    patches: [
      {
        file: 'execution/groups.ts',
        from: 'reader.kind !== GroupKind.commands)) writeSessionKey',
        to: 'reader.kind === GroupKind.expire)) writeSessionKey',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a sweep goes by the order in which sessions came to this replica',
    patches: [{ file: 'execution/sweep.ts', from: '.sort(oldestFirst(weight))', to: '' }],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a sweep does not interfere with the updates of sessions',
    patches: [
      {
        file: 'node/proposals.ts',
        from: '    keys.everything()\n    const entries',
        to: '    const entries',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'one member alone ends a tick of the clock of sessions',
    patches: [{ file: 'execution/age.ts', from: '(bits(this.#claims) < majority)', to: '(bits(this.#claims) < 1)' }],
    hunter: { by: 'simulator' },
  },
  {
    name: 'the age of a session counts from its opening',
    patches: [{ file: 'execution/sessions.ts', from: '    session.usedIn = this.#generation\n', to: '' }],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a tick is claimed when half of it is over',
    patches: [{ file: 'node/sweeper.ts', from: 'lifetimeMs / LIFETIME_TICKS', to: 'lifetimeMs / LIFETIME_TICKS / 2' }],
    hunter: { by: 'simulator' },
  },
  {
    name: 'sessions are forgotten after one tick',
    patches: [
      {
        file: 'execution/age.ts',
        from: 'this.#begins.length > LIFETIME_TICKS ? (this.#begins[0] as number)',
        to: 'this.#begins.length > 2 ? (this.#begins[2] as number)',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a request whose result was swept is applied again',
    patches: [
      {
        file: 'execution/session.ts',
        from: '    if (found === GONE) return Status.gone\n',
        to: '    if (found === GONE) return Status.applied\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'results are kept where they were answered, and nowhere else',
    patches: [
      {
        file: 'execution/batch-run.ts',
        from: 'group.index, result)\n',
        to: 'group.index, this.#results === null ? NOTHING : result)\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a sweep closes sessions, and what they have executed is forgotten',
    patches: [
      {
        file: 'execution/sweep.ts',
        from: '      table.expire(id)\n',
        to: '      table.expire(id)\n      table.reopen(id)\n',
      },
      {
        file: 'execution/sessions.ts',
        from: '  /** From now on no request of the session is applied. */\n',
        to: '  reopen(_id: string): void {\n    this.#tombstones = new Tombstones()\n  }\n\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a read does not wait for the writes before it',
    patches: [
      {
        file: 'engine/footprint.ts',
        from: '  take(): Footprint {\n',
        to: '  take(): Footprint {\n    this.#readWords = 0\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
]
