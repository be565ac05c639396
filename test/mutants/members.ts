import type { Mutant } from './mutant.ts'

const INCARNATIONS = 'node/incarnations.ts'

/** Defects of knowing who the members are (protocol.md §9). */
export const MEMBERS: readonly Mutant[] = [
  {
    name: 'a replica that lost its disk is admitted',
    patches: [
      {
        file: INCARNATIONS,
        from: "    if (!isSame(known.incarnation, claim.incarnation)) return 'amnesiac'\n",
        to: '    if (!isSame(known.incarnation, claim.incarnation)) return null\n',
      },
      {
        file: INCARNATIONS,
        from: '    if (claim.start.number > (this.#known.get(peer)?.start.number ?? 0)) this',
        to: '    if (!isSame(this.#known.get(peer)?.start.nonce, claim.start.nonce)) this',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'MET left out: a replica votes before the others have written it down',
    patches: [
      {
        file: INCARNATIONS,
        from: '    if (this.#founded || this.#met.size < this.#peers.length) return\n',
        to: '    if (this.#founded || this.#met.size < 0) return\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'MET of n−f members only',
    patches: [
      {
        file: INCARNATIONS,
        from: '    if (this.#founded || this.#met.size < this.#peers.length) return\n',
        to: '    if (this.#founded || this.#met.size < Math.floor((this.#peers.length + 1) / 2)) return\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'MET of a peer that does not name the same members',
    patches: [
      {
        file: INCARNATIONS,
        from: 'dialled && clusterId !== null && clusterId === this.#clusterId',
        to: 'dialled',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'PEER not durable before the welcome',
    patches: [{ file: INCARNATIONS, from: '    await this.#pending.get(peer)\n', to: '' }],
    hunter: { by: 'simulator' },
  },
  {
    name: 'START not durable before the first link',
    patches: [
      {
        file: 'node/member.ts',
        from: '      await incarnations.start()\n',
        to: '      void incarnations.start()\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a start with the number of the last one, and another nonce, is admitted',
    patches: [
      {
        file: INCARNATIONS,
        from: '    if (start.number === known.start.number) return !isSame(known.start.nonce, start.nonce)\n',
        to: '    if (start.number === known.start.number) return false\n',
      },
      {
        file: INCARNATIONS,
        from: "    if (!isSame(this.#known.get(peer)?.start.nonce, claim.start.nonce)) return 'copy'\n",
        to: "    if (this.#known.get(peer)?.start.number !== claim.start.number) return 'copy'\n",
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'an earlier start is admitted',
    patches: [
      {
        file: INCARNATIONS,
        from: '    if (start.number < known.start.number || !mayFollow(known.start, claim)) return true\n',
        to: '    if (start.number > 0) return mayFollow(known.start, claim) && journal < 0\n',
      },
      {
        file: INCARNATIONS,
        from: '    if (claim.start.number > (this.#known.get(peer)?.start.number ?? 0)) this',
        to: '    if (!isSame(this.#known.get(peer)?.start.nonce, claim.start.nonce)) this',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a later start need not know the earlier one',
    patches: [{ file: INCARNATIONS, from: ' || !mayFollow(known.start, claim)) return true\n', to: ') return true\n' }],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a later start leaves the links of the earlier one open',
    patches: [
      {
        file: 'node/composition.ts',
        from: '      superseded: (peer) => transport.drop(peer),\n',
        to: '      superseded: () => {},\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'a start has the number of the one before',
    patches: [{ file: INCARNATIONS, from: 'number: record.number + 1 }', to: 'number: record.number }' }],
    hunter: { by: 'simulator' },
  },
  {
    name: 'the cluster id is not compared',
    patches: [
      {
        file: INCARNATIONS,
        from: "    if (claim.founded && claim.clusterId !== this.#clusterId) return 'foreign'\n",
        to: '',
      },
    ],
    hunter: { by: 'simulator' },
  },
  {
    name: 'one refusal ends a member',
    patches: [
      {
        file: 'node/refusals.ts',
        from: '    const refusers = founded ? this.#byOwn(clusterId) : this.#bySome()\n',
        to: '    const refusers = founded ? [...this.#latest] : this.#bySome()\n',
      },
    ],
    hunter: { by: 'simulator' },
  },
]
