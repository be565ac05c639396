import { MessageType } from '../../src/protocol/messages.ts'
import { ENDS } from '../protocol/steps.ts'
import type { EngineMaker } from '../support/engine-makers.ts'
import { Counters } from './counters.ts'
import { CHECKPOINT_FAULT_KINDS, DIRECTORY_FAULT_KINDS, FAULT_KINDS, SPACE_FAULT_KINDS } from './fault-plan.ts'
import { drawOptions, type Options } from './options.ts'
import { type Outcome, Simulation } from './simulation.ts'
import { Violation } from './violation.ts'

/** Messages that are always there. */
const UNSENT = ['heartbeat']
const SENT = Object.keys(MessageType).filter((name) => !UNSENT.includes(name))

/** What a campaign must have reached: one that never did has not tested what it claims. */
export const RARE_PATHS: readonly string[] = [
  'fast',
  'slow',
  'recovered',
  ...ENDS,
  'no-ops decided',
  'proposed again',
  'reads without the log',
  'reads that waited',
  'reads that waited for an unknown payload',
  'reads: timedOut',
  'reads: abandoned',
  'min reads',
  'stale reads',
  'stale reads with an age',
  'components > 1',
  'blocked executions',
  'turns that end within a component',
  'refused: busy',
  'links behind',
  'links closed by their backlog',
  'duplicates',
  'frames lost',
  'restarts',
  'instances forgotten',
  'suspected in vain',
  'requests sent again',
  'outcomes unknown',
  'answered from a session',
  'refused by a closed session',
  'sessions opened by a command',
  'sessions forgotten by a sweep',
  'sessions cut by a sweep',
  'sessions expired by a sweep',
  'ticks of sessions',
  'sessions that aged',
  'answered without the result',
  'outcomes lost in a sweep',
  'coordinators crashed in mid-sentence',
  'stopped: refused_by_peers',
  'stopped: damaged',
  'stopped: storage',
  'histories searched',
  'foundings delayed',
  'foundings that never end',
  'amnesiacs before founding',
  'copies refused',
  'copies beside a process',
  'strangers refused',
  'refused: disk_full',
  'disks: full',
  'disks: space',
  'checkpoints taken',
  'checkpoints given up',
  'checkpoints that a crash interrupts',
  'checkpoints read',
  'checkpoints found damaged',
  'checkpoints installed',
  ...[...FAULT_KINDS, ...DIRECTORY_FAULT_KINDS, ...SPACE_FAULT_KINDS, ...CHECKPOINT_FAULT_KINDS].map(
    (kind) => `fault ${kind}`,
  ),
  ...SENT.map((name) => `message ${name}`),
]

/** Runs the options with each engine, which must give the same trace. */
export async function runWith(options: Options, engines: readonly EngineMaker[]): Promise<Outcome> {
  let first: Outcome | null = null
  for (const engine of engines) {
    const outcome = await new Simulation(options, engine).run()
    if (first !== null && outcome.traceHash !== first.traceHash) {
      const what = `trace ${first.traceHash} with one engine, ${outcome.traceHash} with the other`
      return { ...outcome, failure: outcome.failure ?? new Violation('Engines', what) }
    }
    first = outcome
    if (first.failure !== null) break
  }
  return first as Outcome
}

/** Sums up many simulations. */
export class Campaign {
  readonly counters = new Counters()
  readonly failures: Outcome[] = []
  runs = 0
  events = 0
  virtualMs = 0
  readonly #engines: readonly EngineMaker[]
  readonly #durationMs: number | undefined
  readonly #altered: (options: Options) => Options

  /**
   * @param durationMs of each safety phase; drawn from the seed where absent
   * @param altered what is run instead of what the seed draws
   */
  constructor(engines: readonly EngineMaker[], durationMs?: number, altered = (options: Options): Options => options) {
    this.#engines = engines
    this.#durationMs = durationMs
    this.#altered = altered
  }

  async run(seed: number): Promise<Outcome> {
    const outcome = await runWith(this.#altered(drawOptions(seed, this.#durationMs)), this.#engines)
    this.runs++
    this.events += outcome.events
    this.virtualMs += outcome.virtualMs
    this.counters.addAll(outcome.counters.entries())
    if (outcome.failure !== null) this.failures.push(outcome)
    return outcome
  }

  /** What was never reached. */
  get missed(): string[] {
    return RARE_PATHS.filter((what) => this.counters.get(what) === 0)
  }
}
