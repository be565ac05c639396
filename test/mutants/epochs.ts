import type { Mutant } from './mutant.ts'

const EPOCHS = 'protocol/epochs.ts'

/** One command and one change of the members, and a recovery. */
const CHANGE = '--instances 2 --proposers 0,1 --changers 0'

/** Defects of the rules of epochs (protocol.md §11). */
export const EPOCH_RULES: readonly Mutant[] = [
  {
    name: 'a closed epoch goes on executing',
    patches: [{ file: EPOCHS, from: '    return this.#next === null\n', to: '    return true\n' }],
    hunter: { by: 'model-check', bounds: `${CHANGE} --recoveries 0` },
  },
  {
    name: 'a vote in a closed epoch, by a replica that has forgotten its votes there',
    patches: [
      {
        file: EPOCHS,
        from: "    return epoch < this.#members.epoch ? 'past' : 'future'\n",
        to: "    return epoch < this.#members.epoch ? 'present' : 'future'\n",
      },
    ],
    hunter: { by: 'model-check', bounds: `${CHANGE} --recoveries 1` },
  },
  {
    name: 'a closing checkpoint given up early: a removed replica leaves when one member holds it',
    patches: [
      {
        file: EPOCHS,
        from: 'members.length - this.without.length >= quorums.slow)\n',
        to: 'members.length - this.without.length >= 1)\n',
      },
    ],
    hunter: { by: 'model-check', bounds: '--instances 1 --proposers 0 --changers 0 --recoveries 0' },
  },
  {
    name: 'a command that had executed in the closed epoch is proposed again in the next one',
    patches: [
      {
        file: EPOCHS,
        from: "  if (done) return inSession ? 'kept' : 'unknown'\n",
        to: "  if (done && inSession) return 'kept'\n",
      },
    ],
    hunter: { by: 'model-check', bounds: `${CHANGE} --recoveries 0` },
  },
]
