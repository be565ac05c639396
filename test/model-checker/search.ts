import type { Input } from './inputs.ts'
import { type Bounds, System } from './system.ts'
import { StateTable } from './tables.ts'

export interface Limits {
  readonly states: number
  readonly minutes: number
}

export interface Found {
  readonly states: number
  readonly transitions: number
  /** Steps from the first state to the last state visited. */
  readonly depth: number
  readonly seconds: number
  /** Processor time, because others may use the machine, too. */
  readonly cpuSeconds: number
  /** Local states of all replicas, and inputs given to the shipped core. */
  readonly localStates: number
  readonly runs: number
  /** Whether every state within the bounds was visited. */
  readonly exhausted: boolean
  readonly violation: Violation | null
}

/** Looks on. */
export interface Watch {
  /** Every million states. */
  readonly progress?: (found: Found) => void
  /** Called for each state with what each replica handed to its execution. */
  readonly outcome?: (outcome: string) => void
}

export interface Violation {
  readonly property: string
  /** The steps, one per line: no shorter run violates anything. */
  readonly trace: readonly string[]
}

/**
 * Visits the states within the bounds, nearest to the end of the opening first, until all were visited, a property is
 * violated, or a limit is reached.
 */
export function search(bounds: Bounds, limits: Limits, watch: Watch = {}, opening: readonly string[] = []): Found {
  const system = new System(bounds)
  const table = new StateTable(system.width)
  const state = new Uint32Array(system.width)
  const opened = system.open(state, opening)
  const [startedAt, cpuAt] = [performance.now(), process.cpuUsage()]
  let transitions = 0
  let [current, depth, levelEnd] = [0, 0, 1]
  let violated: { readonly property: string; readonly input: Input } | null = null
  const found = (exhausted: boolean): Found => ({
    states: table.size,
    transitions,
    depth,
    ...secondsSince(startedAt, cpuAt),
    localStates: system.localStates,
    runs: system.runs,
    exhausted,
    violation: violated && {
      property: violated.property,
      trace: [...opened, ...pathTo(system, table, current), violated.input.text],
    },
  })
  table.add(state, 0)
  for (; current < table.size; current++) {
    if (current === levelEnd) [depth, levelEnd] = [depth + 1, table.size]
    if ((current & 0xfffff) === 0xfffff) watch.progress?.(found(false))
    table.read(current, state)
    watch.outcome?.(system.outcome(state))
    system.steps(state, (child, input, violation) => {
      transitions++
      if (violation !== '') violated ??= { property: violation, input }
      else table.add(child, current)
    })
    if (violated !== null) return found(false)
    if (table.size >= limits.states) return found(false)
    if ((current & 0xfff) === 0 && performance.now() - startedAt > limits.minutes * 60_000) return found(false)
  }
  return found(true)
}

/** The steps to a state, found again from each parent to its child. */
function pathTo(system: System, table: StateTable, number: number): string[] {
  const states: number[] = []
  for (let at = number; at > 0; at = table.parent(at)) states.push(at)
  const path: string[] = []
  const [parent, wanted] = [new Uint32Array(system.width), new Uint32Array(system.width)]
  for (const at of states.reverse()) {
    table.read(table.parent(at), parent)
    table.read(at, wanted)
    let text = ''
    system.steps(parent, (child, input, violation) => {
      if (text === '' && violation === '' && child.every((word, i) => word === wanted[i])) text = input.text
    })
    path.push(text)
  }
  return path
}

export function secondsSince(startedAt: number, cpuAt: NodeJS.CpuUsage): Pick<Found, 'seconds' | 'cpuSeconds'> {
  const { user, system } = process.cpuUsage(cpuAt)
  return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: (user + system) / 1e6 }
}
