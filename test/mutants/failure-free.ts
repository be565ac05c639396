import type { Mutant } from './mutant.ts'

/** Defects of quorums, PreAccept, Accept and Commit (protocol.md §1–3). */
export const FAILURE_FREE: readonly Mutant[] = [
  {
    name: 'a fast quorum one smaller',
    patches: [
      { file: 'protocol/quorums.ts', from: 'const fast = n - e\n', to: 'const fast = n - e - 1\n' },
      {
        file: 'protocol/quorums.ts',
        from: "  check(fast + slow > n, 'a fast quorum meets every slow quorum')\n",
        to: '',
      },
      {
        file: 'protocol/quorums.ts',
        from: "  check(fast >= slow, 'a fast commit is as widely known as a slow one')\n",
        to: '',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 2 --recoveries 0' },
  },
  {
    name: 'a slow quorum one smaller',
    patches: [
      { file: 'protocol/quorums.ts', from: 'const slow = n - f\n', to: 'const slow = n - f - 1\n' },
      { file: 'protocol/quorums.ts', from: "  check(2 * slow > n, 'two slow quorums meet')\n", to: '' },
      {
        file: 'protocol/quorums.ts',
        from: "  check(fast + slow > n, 'a fast quorum meets every slow quorum')\n",
        to: '',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'n = 7 with e = 3, which its sizes do not allow',
    patches: [
      { file: 'protocol/quorums.ts', from: 'Math.floor((n - f + 1) / 2)', to: 'f' },
      {
        file: 'protocol/quorums.ts',
        from: '  check(n >= Math.max(2 * e + f - 1, 2 * f + 1),',
        to: '  check(n >= 2 * f + 1,',
      },
    ],
    hunter: { by: 'model-check', bounds: '--replicas 7 --opening seven --instances 2 --proposers 0,6 --recoveries 2' },
  },
  {
    name: 'votes are counted, not kept: an AcceptOk that comes again counts again',
    patches: [
      {
        file: 'protocol/accept.ts',
        from: '  attempt.votes = addVote(attempt.votes, from)\n',
        to: '  attempt.votes = (attempt.votes << 1) | 1\n',
      },
    ],
    hunter: { by: 'model-check', bounds: '--replicas 5 --opening slow --instances 2 --proposers 0,2 --recoveries 1' },
  },
  {
    name: 'dissenting replies count for the fast path',
    patches: [{ file: 'protocol/preaccept.ts', from: 'countVotes(attempt.equal)', to: 'countVotes(attempt.answered)' }],
    hunter: { by: 'model-check', bounds: '--instances 2 --recoveries 0' },
  },
  {
    name: 'a dissenting reply is merged into a fast commit',
    patches: [
      {
        file: 'protocol/preaccept.ts',
        from: 'return decide(context, instance, 0, Command.batch, instance.initDeps as Vector, {',
        to: 'return decide(context, instance, 0, Command.batch, attempt.union, {',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'the slow path takes the initial dependencies, not the union',
    patches: [
      {
        file: 'protocol/preaccept.ts',
        from: 'Command.batch, attempt.union, attempt.holders, false)',
        to: 'Command.batch, instance.initDeps as Vector, attempt.holders, false)',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'PreAccept is answered with what it asks for, whatever is known here',
    patches: [
      {
        file: 'protocol/preaccept.ts',
        from: 'message.mode, initDeps, union(initDeps, known))',
        to: 'message.mode, initDeps, known.length > 0 ? initDeps : known)',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 2 --recoveries 0' },
  },
  {
    name: 'PreAccept is taken whatever ballot was promised',
    patches: [{ file: 'protocol/preaccept.ts', from: '  if (instance.ballot > 0) {\n', to: '  if (slot < 0) {\n' }],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 1' },
  },
  {
    name: 'a PreAccept that comes again is computed again',
    patches: [
      {
        file: 'protocol/preaccept.ts',
        from: '  if (instance.phase === Phase.none) {\n',
        to: '  if (instance.phase === Phase.none || instance.phase === Phase.preAccepted) {\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'Accept in a ballot below the promise',
    patches: [
      {
        file: 'protocol/accept.ts',
        from: '  if (ballot < instance.ballot) {',
        to: '  if (ballot < instance.voteBallot) {',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --recoveries 2' },
  },
  {
    name: 'a batch writes only its first key, as others are told',
    patches: [
      {
        file: 'engine/footprint.ts',
        from: '  take(): Footprint {\n',
        to: '  take(): Footprint {\n    this.#writeWords = Math.min(this.#writeWords, 2)\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'dependencies lack the newest of the first row',
    patches: [
      {
        file: 'engine/reference.ts',
        from: '    deps[row] = slot - 1\n',
        to: '    if (row !== 0) deps[0] = Math.max(0, (deps[0] as number) - 1)\n    deps[row] = slot - 1\n',
      },
    ],
    hunter: { by: 'simulator', engine: 'reference' },
  },
  {
    name: 'a no-op is sent as a batch',
    patches: [
      {
        file: 'codec/peer-direct.ts',
        from: '  to.byte(at.command, message.command)\n',
        to: '  to.byte(at.command, Command.batch)\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'the dependencies of a commit arrive in the order of another row',
    patches: [
      {
        file: 'codec/peer-direct.ts',
        from: '  to.vector(at.deps, deps)\n',
        to: '  to.vector(at.deps, message.row === 1 ? [...deps].reverse() : deps)\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
]
