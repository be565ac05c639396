import type { InstanceMessage } from '../../src/protocol/messages.ts'
import { zeros } from '../../src/protocol/vector.ts'
import type { Cluster, Sent, Watch } from '../support/cluster.ts'
import type { TestReplica } from '../support/test-replica.ts'
import { Promises } from './promises.ts'
import { type End, noEnds, Steps } from './steps.ts'

export { ENDS, type End } from './steps.ts'

/**
 * Watches every step of a cluster: the invariants of protocol.md §5 in the state of each replica, what replicas send
 * against what they sent before ({@link Promises}), and how recoveries ended.
 */
export class Observer implements Watch {
  /** Messages sent, by type. */
  readonly sentByType: number[] = []
  readonly ends: Map<End, number> = noEnds()
  readonly #promises: Promises
  readonly #steps: readonly Steps[]
  /** The highest slot of each row that any message or vector named. */
  readonly #highest: number[]

  constructor(cluster: Cluster) {
    this.#promises = new Promises(cluster)
    this.#steps = cluster.replicas.map(() => new Steps(this.ends))
    this.#highest = zeros(cluster.replicas.length)
    cluster.watch = this
  }

  sent(sent: Sent): void {
    const { type } = sent.message
    this.sentByType[type] = (this.sentByType[type] ?? 0) + 1
    if (!('row' in sent.message)) return
    this.#mention(sent.message)
    this.#promises.sent(sent)
  }

  restarted(replica: TestReplica): void {
    this.#steps[replica.id]?.restarted()
  }

  stepped(replica: TestReplica): void {
    const { core } = replica
    this.#highest[replica.id] = Math.max(this.#highest[replica.id] as number, core.slot)
    for (let row = 0; row < this.#highest.length; row++) {
      for (let slot = 1; slot <= (this.#highest[row] as number); slot++) {
        const instance = core.instance(row, slot)
        if (instance === undefined) continue
        this.#steps[replica.id]?.look(instance)
        this.#promises.holds(instance)
      }
    }
  }

  #mention(message: InstanceMessage): void {
    this.#highest[message.row] = Math.max(this.#highest[message.row] as number, message.slot)
  }
}
