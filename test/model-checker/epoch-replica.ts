import { changed } from '../../src/protocol/change.ts'
import { Epochs, fateOf } from '../../src/protocol/epochs.ts'
import type { Instance } from '../../src/protocol/instance.ts'
import { INCARNATION_BYTES, type Membership, rowOf } from '../../src/protocol/membership.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { members } from '../support/members.ts'
import type { Closed, Input } from './inputs.ts'
import { type Era, type Output, Replica, type Setup } from './replica.ts'

/** What a checkpoint holds of the machine here: the commands that had executed, in order. */
interface Checkpoint {
  readonly members: Membership
  readonly executed: readonly string[]
}

/**
 * One replica through a change of the members: the shipped rules of epochs around one shipped core per epoch. What a
 * node does beside them is modelled: it executes nothing of a closed epoch, makes the closing checkpoint durable
 * (`close`), forgets the core of the old epoch, answers its requests with the checkpoint, and proposes void commands
 * again. A peer takes the checkpoint from that answer in one step, durably.
 *
 * Ids are those of the founders, who number 0 to n − 1; inputs name rows by them as well.
 */
export class EpochReplica {
  readonly id: number
  /** `row.slot` with `noop` or the dependencies, in epoch 1 `row.slot@1`. */
  readonly decisions = new Map<string, string>()
  /** By epoch: what had executed when it was closed here. */
  readonly closed = new Map<number, string>()
  executed: string[] = []
  readonly #setup: Setup
  #epochs: Epochs
  #checkpoint: Checkpoint
  /** By epoch. There is one, or none once this replica has been removed. */
  readonly #eras = new Map<number, Replica>()
  /** Own commands that were proposed in this life and have not executed here. */
  readonly #open = new Set<string>()
  #doomed = false
  #mortal: boolean
  #crashed = false
  #left = false

  constructor(setup: Setup, id: number) {
    this.id = id
    this.#setup = setup
    this.#mortal = setup.restarts
    this.#checkpoint = { members: members(setup.replicas), executed: [] }
    this.#epochs = new Epochs(this.#checkpoint.members, id)
    this.#eraOf(0)
  }

  get epoch(): number {
    return this.#epochs.members.epoch
  }

  /** Own slots in use in the present epoch. */
  get slot(): number {
    return this.#present?.slot ?? 0
  }

  get crashed(): boolean {
    return this.#crashed || this.#left
  }

  get left(): boolean {
    return this.#left
  }

  get doomed(): boolean {
    return this.#doomed
  }

  get mortal(): boolean {
    return this.#mortal
  }

  instance(row: number, slot: number): Instance | undefined {
    return this.#present?.instance(row, slot)
  }

  impatient(): Instance[] {
    return this.#present?.impatient() ?? []
  }

  text(): string {
    if (this.crashed) return this.#left ? 'left' : 'crashed'
    const own = `${this.epoch} ${this.#epochs.next?.epoch} ${[...this.#open]} ${this.#checkpoint.executed}`
    const holders = this.#epochs.row < 0 ? ` ${this.#epochs.without}` : ''
    const flags = `${this.#doomed ? 'd' : ''}${this.#mortal ? 'm' : ''}`
    return [own, flags, holders, ...[...this.#eras].map(([epoch, era]) => `${epoch}: ${era.text()}`)].join('\n')
  }

  apply(input: Input): readonly Output[] {
    if (this.crashed) return []
    const outputs = this.#handle(input)
    for (const [epoch, era] of this.#eras) {
      for (const [id, decision] of era.decisions) this.#decided(epoch === 0 ? id : `${id}@${epoch}`, decision)
    }
    return outputs
  }

  #handle(input: Input): readonly Output[] {
    switch (input.kind) {
      case 'deliver':
        if (input.message.type === 'closed') return this.#onClosed(input.message)
        if (input.message.type === 'holds') return this.#onHolds(input.from, input.message.epoch)
        return this.#onMessage(input.from, input.message, input)
      case 'propose':
        return this.#propose()
      case 'recover':
      case 'expire': {
        const row = input.kind === 'expire' ? input.row : rowOf(this.#epochs.members, input.row)
        return row < 0 ? [] : this.#give({ ...input, row })
      }
      case 'unlink': {
        const peer = rowOf(this.#epochs.members, input.peer)
        return peer < 0 ? [] : this.#give({ ...input, peer })
      }
      case 'close':
        return this.#close()
      case 'restart':
        return this.#restart(input)
      case 'doom':
        this.#doomed = true
        return this.#give(input)
      case 'settle':
        this.#mortal = false
        return this.#give(input)
      case 'crash':
        this.#crashed = true
        return []
      case 'leave':
        this.#left = this.#epochs.mayLeave
        return []
      case 'read':
        throw new Error('reads while the members change are not covered')
    }
  }

  #onMessage(from: number, message: Message, input: Input): readonly Output[] {
    switch (this.#epochs.meets(message.epoch)) {
      case 'past':
        return [{ to: from, message: this.#closedMessage(message.epoch) }]
      case 'present': {
        const row = rowOf(this.#membersOf(message.epoch), from)
        return this.#send(message.epoch, this.#eraOf(message.epoch)?.apply({ ...input, from: row } as Input) ?? [])
      }
      case 'future':
        return []
    }
  }

  #closedMessage(epoch: number): Closed {
    const { executed, members: next } = this.#checkpoint
    return { type: 'closed', epoch, executed, next }
  }

  #onClosed({ executed, next }: Closed): readonly Output[] {
    if (this.#doomed || this.#epochs.meets(next.epoch) !== 'future') return []
    const lost = this.executed.find((name, i) => executed[i] !== name)
    if (lost !== undefined) throw new Error(`Closing: ${lost} had executed here, and not in [${executed}]`)
    return this.#enter({ members: next, executed })
  }

  #onHolds(from: number, epoch: number): readonly Output[] {
    this.#epochs.heard(from, epoch)
    return []
  }

  /** The closing checkpoint is durable. */
  #close(): readonly Output[] {
    const { next } = this.#epochs
    if (next === null || this.#doomed) return []
    return this.#enter({ members: next, executed: [...this.executed] })
  }

  #enter(checkpoint: Checkpoint): readonly Output[] {
    this.closed.set(this.epoch, `${checkpoint.executed}`)
    this.#checkpoint = checkpoint
    this.executed = [...checkpoint.executed]
    if (!this.#epochs.holds(checkpoint.members)) return []
    const isMember = this.#epochs.row >= 0
    const open = [...this.#open]
    this.#open.clear()
    this.#eras.clear()
    if (isMember) this.#eraOf(this.epoch)
    const again = open.filter((name) => {
      const isDone = this.executed.includes(name)
      return fateOf({ done: isDone, inSession: false }, isMember) === 'again' && !isChange(name)
    })
    return [...(isMember ? this.#tellRemoved() : []), ...again.flatMap((name) => this.#proposeNamed(name))]
  }

  /** Only a removed replica has a use for it. */
  #tellRemoved(): Output[] {
    const removed = members(this.#setup.replicas).members.filter(({ id }) => rowOf(this.#epochs.members, id) < 0)
    return removed.map(({ id }) => ({ to: id, message: { type: 'holds', epoch: this.epoch } }))
  }

  #propose(): readonly Output[] {
    const isChange = this.#setup.changers?.includes(this.id) === true
    if (this.#present === undefined || (isChange && this.epoch > 0)) return []
    const name = `${this.id}.${this.slot + 1}@${this.epoch}`
    return this.#proposeNamed(isChange ? `change ${name}` : name)
  }

  #proposeNamed(name: string): readonly Output[] {
    this.#open.add(name)
    return this.#send(this.epoch, this.#present?.propose(name, isChange(name) ? '*' : 'a') ?? [])
  }

  #restart(input: Input): readonly Output[] {
    const { members: present, executed } = this.#checkpoint
    this.#doomed = false
    this.#open.clear()
    this.#epochs = new Epochs(present, this.id)
    this.executed = [...executed]
    for (const epoch of [...this.#eras.keys()]) if (epoch !== present.epoch) this.#eras.delete(epoch)
    return this.#give(input)
  }

  get #present(): Replica | undefined {
    return this.#eras.get(this.epoch)
  }

  #give(input: Input): readonly Output[] {
    return this.#send(this.epoch, this.#present?.apply(input) ?? [])
  }

  /** A core that knows nothing, if there is none of this epoch: rules that ask for one have forgotten its votes. */
  #eraOf(epoch: number): Replica | undefined {
    const known = this.#eras.get(epoch)
    const of = this.#membersOf(epoch)
    const row = rowOf(of, this.id)
    if (known !== undefined || row < 0) return known
    const isPresent = () => this.epoch === epoch
    const era: Era = {
      members: of,
      executed: (name) => isPresent() && this.#executed(name),
      isOpen: () => isPresent() && this.#epochs.isOpen,
    }
    const made = new Replica({ ...this.#setup, restarts: this.#mortal }, row, era)
    this.#eras.set(epoch, made)
    return made
  }

  #membersOf(epoch: number): Membership {
    return epoch === 0 ? members(this.#setup.replicas) : this.#epochs.members
  }

  #executed(name: string): void {
    if (this.executed.includes(name)) throw new Error(`Execution: ${name} is executed twice`)
    this.executed.push(name)
    this.#open.delete(name)
    if (isChange(name)) this.#epochs.executed(this.#changeOf(name))
  }

  /** The changer i removes the replica after the next one: the first change of two at 3 replicas removes 2. */
  #changeOf(name: string): Membership {
    const founders = members(this.#setup.replicas)
    const changer = Number(name.split(' ')[1]?.split('.')[0])
    const id = (changer + 2) % founders.quorums.replicas
    return changed(founders, { kind: 'remove', id }, (member) => new Uint8Array(INCARNATION_BYTES).fill(member.id + 1))
  }

  #send(epoch: number, outputs: readonly Output[]): readonly Output[] {
    const { members: of } = this.#membersOf(epoch)
    return outputs.map(({ to, message }) => ({ to: (of[to] as { id: number }).id, message }))
  }

  #decided(id: string, decision: string): void {
    const known = this.decisions.get(id)
    if (known !== undefined && known !== decision) throw new Error(`Agreement: ${id} is ${decision}, was ${known}`)
    this.decisions.set(id, decision)
  }
}

function isChange(name: string): boolean {
  return name.startsWith('change')
}
