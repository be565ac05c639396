import type { Mutant } from './mutant.ts'

const PROPOSALS = 'node/proposals.ts'
const INCARNATIONS = 'node/incarnations.ts'
const CLOSING = 'node/closing.ts'
const ENTERING = 'node/entering.ts'

/** Stories for what the campaign meets seldom. */
const READ = 'a read that waits for the change sees what was written after it'
const OTHER = 'a new directory at the address of a replica that joined is not believed'

/** Defects of changing the members, as seats, disks and links do it (protocol.md §11). */
export const CHANGES: readonly Mutant[] = [
  {
    name: 'void commands answered as done',
    patches: [
      {
        file: PROPOSALS,
        from: '        else if (waiters.length > 0) groups.push({',
        to:
          "        else if (here) for (const respond of waiters) respond({ outcome: 'done', results: DONE })\n" +
          '        else if (waiters.length > 0) groups.push({',
      },
      {
        file: PROPOSALS,
        from: "import { groupEnd } from '../execution/results.ts'\n",
        to:
          "import { groupEnd, ResultWriter, Status } from '../execution/results.ts'\n" +
          'const writer = new ResultWriter()\nwriter.beginGroup()\nwriter.add(Status.applied, new Uint8Array([49]))\n' +
          'writer.endGroup()\nconst DONE = writer.take().slice()\n',
      },
    ],
    hunter: { by: 'epochs' },
  },
  {
    name: 'what was in flight at a replica that fell behind proposed again, although it may have executed',
    patches: [
      {
        file: PROPOSALS,
        from: '    if (!here) for (const slot of [...this.#running.keys()]) this.executedElsewhere(slot)\n',
        to: '',
      },
    ],
    hunter: { by: 'epochs' },
  },
  {
    name: 'what clients wait for forgotten by a replica that follows',
    patches: [
      {
        file: 'node/seat.ts',
        from: '    this.#advance(start, this.#member?.handOver() ?? NOTHING, null)\n',
        to: '    this.#member?.handOver()\n    this.#advance(start, NOTHING, null)\n',
      },
    ],
    hunter: { by: 'epochs' },
  },
  {
    name: 'the own state kept where the checkpoint of a peer was entered',
    patches: [
      {
        file: 'node/seat.ts',
        from: 'this.#member?.handOver() ?? NOTHING, null)',
        to: 'this.#member?.handOver() ?? NOTHING, this.#member?.sessions ?? null)',
      },
    ],
    hunter: { by: 'epochs' },
  },
  {
    name: 'a member that goes on voting while its closing checkpoint is sealed',
    patches: [{ file: CLOSING, from: '    suspend(true)\n    const number', to: '    const number' }],
    hunter: { by: 'epochs' },
  },
  {
    name: 'a closing checkpoint with the journal number of its beginning',
    patches: [
      {
        file: CLOSING,
        from: '    const execution = executor.capture()\n',
        to: '    const execution = executor.capture()\n    this.begunAt = this.#options.journal.last\n',
      },
      { file: CLOSING, from: 'await writer.finish(number)\n', to: 'await writer.finish(this.begunAt)\n' },
    ],
    hunter: { by: 'epochs' },
  },
  {
    name: 'a removed replica leaves at once',
    patches: [
      {
        file: 'node/leaving.ts',
        from: '    if (this.#left || !epochs.mayLeave) return\n',
        to: '    if (this.#left) return\n',
      },
    ],
    hunter: { by: 'epochs' },
  },
  {
    name: 'a replica that follows keeps its votes of the epoch before',
    patches: [
      {
        file: ENTERING,
        from: 'store.begin({ formatVersion: FORMAT_VERSION, cluster, id, epoch, journal, executed, beyond })',
        to: 'store.begin({ formatVersion: FORMAT_VERSION, cluster, id, epoch, journal: 0, executed, beyond })',
      },
    ],
    hunter: { by: 'epochs' },
  },
  {
    name: 'PEER forgotten by the closing checkpoint',
    patches: [
      {
        file: CLOSING,
        from: 'encodeRecords(incarnations.image(members))',
        to: "encodeRecords(incarnations.image(members).filter((record) => !('incarnation' in record)))",
      },
    ],
    hunter: { by: 'epochs' },
  },
  {
    name: 'START not continued over epochs',
    patches: [
      {
        file: CLOSING,
        from: 'encodeRecords(incarnations.image(members))',
        to: "encodeRecords(incarnations.image(members).filter((record) => 'id' in record))",
      },
    ],
    hunter: { by: 'epochs' },
  },
  {
    name: 'the second change of an epoch counts, too',
    patches: [
      {
        file: 'protocol/epochs.ts',
        from: '    if (this.#next !== null || !mayFollow(this.#members, next)) return false\n',
        to: '    if (!mayFollow(this.#members, next)) return false\n',
      },
      {
        file: 'execution/executor.ts',
        from: '    const counts = !this.#closed && this.#options',
        to: '    const counts = this.#options',
      },
    ],
    hunter: { by: 'epochs' },
  },
  {
    name: 'a read that waited for the change answered in the closed epoch',
    patches: [
      {
        file: 'node/member.ts',
        from: '    if (!this.executor.closed) reads.run(this.#readBudget)\n',
        to: '    reads.run(this.#readBudget)\n',
      },
    ],
    hunter: { by: 'epochs', story: READ },
  },
  {
    name: 'a joiner admitted that the members do not name',
    patches: [
      {
        file: INCARNATIONS,
        from:
          "    if (!isSame(incarnation, claim.incarnation)) return 'amnesiac'\n" +
          '    const known = this.#known.get(peer)\n    // A',
        to:
          "    if (!isJoiner(claim) && !isSame(incarnation, claim.incarnation)) return 'amnesiac'\n" +
          '    const known = this.#known.get(peer)\n    // A',
      },
    ],
    hunter: { by: 'epochs', story: OTHER },
  },
  {
    name: 'a claim of a later epoch believed without its cluster id',
    patches: [
      {
        file: INCARNATIONS,
        from: 'claim.clusterId === null || claim.clusterId !== this.#clusterId) return',
        to: 'claim.clusterId === null) return',
      },
    ],
    hunter: { by: 'epochs' },
  },
]
