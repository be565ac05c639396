import type { Subject } from './subject.ts'

/** What one replica handed to its execution. Facts never change, so those of two replicas are compared once. */
interface Facts {
  readonly text: string
  /** `row.slot` with `noop` or the dependencies; in epoch 1 `row.slot@1`. */
  readonly decisions: ReadonlyMap<string, string>
  readonly executed: readonly string[]
  /** By epoch: what had executed when it was closed. */
  readonly closed: ReadonlyMap<number, string>
  readonly left: boolean
}

/** The facts that replicas can reach, and which of them contradict each other. */
export class AllFacts {
  readonly #numbers = new Map<string, number>()
  readonly #facts: Facts[] = []
  /** For each pair of facts: the property that they violate, or ''. */
  readonly #verdicts: string[][] = []

  number(replica: Subject): number {
    const decisions = [...replica.decisions].sort(([a], [b]) => (a < b ? -1 : 1))
    const closed = new Map(replica.closed)
    const earlier = [...(replica.ever ?? [])].filter((name) => !replica.executed.includes(name))
    const before = earlier.length > 0 ? `earlier ${earlier.sort()} ` : ''
    const then = `${[...closed].join(';')}${replica.left ? ' left' : ''}`
    const text = `${before}${decisions.join(' ')} ${replica.executed} ${then}`
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    this.#facts.push({
      text,
      decisions: new Map(decisions),
      executed: [...replica.executed],
      closed,
      left: replica.left,
    })
    this.#verdicts.push([])
    this.#numbers.set(text, this.#facts.length - 1)
    return this.#facts.length - 1
  }

  text(number: number): string {
    return (this.#facts[number] as Facts).text
  }

  /** The property that two replicas with these facts violate together; '' if none. */
  verdict(a: number, b: number): string {
    const verdicts = this.#verdicts[a] as string[]
    let verdict = verdicts[b]
    if (verdict === undefined) {
      verdict = contradiction(this.#facts[a] as Facts, this.#facts[b] as Facts)
      verdicts[b] = verdict
    }
    return verdict
  }
}

/**
 * Checks Agreement, Visibility and the order of execution (protocol.md §5), and that all close an epoch in the same
 * state (§11). All commands interfere. Two of three replicas are members of the next epoch, and both are its quorum:
 * the third one leaves after them.
 */
function contradiction(a: Facts, b: Facts): string {
  for (const [id, decision] of a.decisions) {
    const other = b.decisions.get(id)
    if (other !== undefined && other !== decision) return `Agreement: ${id} is decided as ${decision} and as ${other}`
    for (const [otherId, its] of b.decisions) {
      if (otherId === id || decision === 'noop' || its === 'noop' || epochOf(id) !== epochOf(otherId)) continue
      if (!names(decision, otherId) && !names(its, id)) return `Visibility: ${id} ${decision} and ${otherId} ${its}`
    }
  }
  for (const [epoch, state] of a.closed) {
    const other = b.closed.get(epoch) ?? state
    if (other !== state) return `Closing: epoch ${epoch} ends with ${state} and with ${other}`
  }
  const [gone, other] = a.left ? [a, b] : [b, a]
  if (gone.left && !other.closed.has(0)) return 'Leaving: a removed replica left, and a member lacks the checkpoint'
  const shared = a.executed.filter((id) => b.executed.includes(id)).join()
  const reversed = b.executed.filter((id) => a.executed.includes(id)).join()
  return shared === reversed ? '' : `Execution: in the order ${shared} and in the order ${reversed}`
}

function epochOf(id: string): string {
  return id.split('@')[1] ?? ''
}

/** Whether dependencies, given as `[…]`, name the instance, given as `row.slot`. */
function names(deps: string, id: string): boolean {
  const [row, slot] = (id.split('@')[0] as string).split('.').map(Number) as [number, number]
  return slot <= (JSON.parse(deps)[row] as number)
}
