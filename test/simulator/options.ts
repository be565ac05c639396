import { COMMAND_WORK } from '../../src/execution/budget.ts'
import { type Limits, SESSION_LIMITS } from '../../src/execution/sweep.ts'
import type { CheckpointLimits } from '../../src/node/checkpointer.ts'
import { SESSION_LIFETIME_MS } from '../../src/node/member-options.ts'
import { quorums } from '../../src/protocol/quorums.ts'
import { DEFAULT_TIMING, type Timing } from '../../src/protocol/timing.ts'
import { MAX_BACKPRESSURE_BYTES } from '../../src/transport/transport.ts'
import { Random } from '../support/random.ts'
import {
  drawCheckpointFaults,
  drawDirectoryFaults,
  drawFaults,
  drawLongTurns,
  drawShortDisks,
  type Fault,
} from './fault-plan.ts'
import type { SpaceLimits } from './simulated-space.ts'

export type MachineKind = 'kv' | 'list' | 'print'

export interface ClientOptions {
  readonly count: number
  /** The first ones have sessions, the others do not. */
  readonly withSession: number
  /** Requests that one client has in flight. */
  readonly window: number
  /** The average pause between two requests. */
  readonly thinkMs: number
  readonly operations: number
  /** A request without an answer for this long is sent elsewhere, or given up if there is no session. */
  readonly patienceMs: number
  /** The probability that a request goes to two replicas at once. */
  readonly hedge: number
  /** The probability that a session is expired before the next request. */
  readonly expire: number
  /** A command opens the sessions, as in the library; otherwise clients choose the names. */
  readonly opens: boolean
}

export interface KeyOptions {
  /** Per pool: the keys that transactions may span. */
  readonly pools: readonly number[]
  /** The probability of the first pool; the others share the rest. */
  readonly hot: number
  readonly reads: number
  readonly transactions: number
  /** New keys after this time, so that the history of a key does not grow for ever. */
  readonly rotateMs: number
}

export interface NetworkOptions {
  /** The least delay of a link is drawn for each pair from 0 to this. */
  readonly distanceMs: number
  readonly jitterMs: number
  readonly loss: number
  readonly duplicate: number
  /** False lets frames overtake each other. */
  readonly ordered: boolean
  /** Every message in a frame of its own. */
  readonly split: boolean
  /** The probability that a frame with a Commit is lost. */
  readonly lostCommit: number
  /** The probability that a PreAcceptOk is lost. */
  readonly lostOk: number
  /** How many bytes a link transmits in a ms; 0 for no limit. */
  readonly bytesPerMs: number
  /** A link with this many bytes in flight is behind; and is closed. */
  readonly behindBytes: number
  readonly mostBufferedBytes: number
  /** The probability that a Recover is late, or lost, on its way to the coordinator of its instance. */
  readonly deaf: number
}

export interface DiskOptions {
  readonly leastMs: number
  readonly mostMs: number
  /** Whether some of what was not synced survives a crash. */
  readonly keeps: boolean
}

/**
 * Everything that a simulation does, drawn from its seed. It is plain data, so that a failing simulation can be stored
 * and reduced.
 */
export interface Options {
  readonly seed: number
  readonly replicas: number
  /** e: crashes that the fast path survives. */
  readonly fastCrashes: number
  readonly machine: MachineKind
  /** How long faults happen; then everything must come to rest. */
  readonly durationMs: number
  readonly timing: Timing
  readonly requestTimeoutMs: number
  readonly turnMs: number
  /** How much is executed in one turn, in the work of `Budget`; 1 for one command. */
  readonly workPerTurn: number
  /** Own instances of a replica that may be unexecuted at a time. */
  readonly window: number
  readonly clients: ClientOptions
  /** The limits of what sessions keep: small, so that they are reached. */
  readonly sessions: Limits
  /** How long sessions are remembered; far longer than a run, except where each name occurs once. */
  readonly sessionLifetimeMs: number
  readonly keys: KeyOptions
  readonly network: NetworkOptions
  readonly disk: DiskOptions
  /** Small, so that every run takes checkpoints. */
  readonly checkpoints: CheckpointLimits
  /** What replicas keep free on their disks; null where they do not look. */
  readonly space: SpaceLimits | null
  /** How fast the clock of each replica goes. */
  readonly clockRates: readonly number[]
  readonly faults: readonly Fault[]
  /** When each replica starts for the first time, in ms. */
  readonly firstStarts: readonly number[]
  /** Replicas that must come to rest without the others; all, or a majority. */
  readonly survivors: readonly number[]
}

/** Some times as much as a replica writes between two looks at the space, which are 200 ms apart. */
const SPACE_LIMITS: SpaceLimits = { nearlyFullBytes: 160 << 10, fullBytes: 128 << 10 }

/** A stream of its own for each purpose: draws of one leave the others unchanged. */
export function stream(seed: number, name: string): Random {
  let hash = Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return new Random(hash ^ (hash >>> 15))
}

/** @param durationMs drawn if absent */
export function drawOptions(seed: number, durationMs?: number): Options {
  const random = stream(seed, 'options')
  // Few interfering commands at a time, coordinators that fall silent, impatient recoverers: what is rare elsewhere is
  // the rule.
  const duel = random.chance(0.5)
  const replicas = duel
    ? random.pick([3, 4, 5, 5, 5, 5, 7, 8])
    : random.pick([1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 6, 7, 8, 9])
  const lasting = durationMs ?? random.pick([2000, 5000, 5000, 10_000])
  const { fastCrashes, crashes } = quorums(replicas)
  const clients = { ...drawClients(random, lasting, duel), opens: stream(seed, 'openings').chance(0.5) }
  const network = { ...drawNetwork(random, duel), ...drawBandwidth(stream(seed, 'bandwidth')) }
  const disk = drawDisk(random)
  // There and back, and onto both disks: with shorter timeouts nobody ever finishes.
  const roundMs = 2 * (network.distanceMs + network.jitterMs + disk.mostMs)
  const space = stream(seed, 'space').chance(0.2) ? SPACE_LIMITS : null
  const scene = { replicas, crashes, durationMs: lasting, clients: clients.count, duel }
  return {
    seed,
    replicas,
    fastCrashes: random.chance(0.7) ? fastCrashes : random.below(fastCrashes + 1),
    machine: random.pick(['kv', 'kv', 'kv', 'list', 'list', 'print']),
    durationMs: lasting,
    timing: drawTiming(random, duel, roundMs),
    requestTimeoutMs: Math.max(random.pick([300, 1000, 2000]), 8 * roundMs),
    turnMs: random.pick([0.01, 0.1, 1]),
    workPerTurn: drawWork(stream(seed, 'work')),
    window: stream(seed, 'window').pick([1, 2, 16, 16, 16, 16, 16, 16]),
    clients,
    sessions: drawSessions(stream(seed, 'sessions')),
    sessionLifetimeMs: drawLifetime(stream(seed, 'lifetime of sessions'), clients),
    keys: drawKeys(random, duel),
    network,
    disk,
    checkpoints: drawCheckpoints(stream(seed, 'checkpoints')),
    space,
    clockRates: Array.from({ length: replicas }, () => (random.chance(0.3) ? 0.7 + random.next() * 0.7 : 1)),
    faults: [
      ...drawFaults(stream(seed, 'faults'), scene),
      ...drawLongTurns(stream(seed, 'long turns'), scene),
      ...drawDirectoryFaults(stream(seed, 'directories'), replicas, lasting),
      ...drawCheckpointFaults(stream(seed, 'checkpoint faults'), scene),
      ...(space === null ? [] : drawShortDisks(stream(seed, 'short disks'), scene, space)),
    ],
    firstStarts: drawFirstStarts(stream(seed, 'first starts'), replicas, lasting),
    survivors: drawSurvivors(random, replicas),
  }
}

/**
 * The same with members that are away for long, while the others take checkpoints often and keep little of their
 * journals: many installs.
 */
export function withAbsences(options: Options): Options {
  const random = stream(options.seed, 'absences')
  const { durationMs, replicas, clients, checkpoints, network } = options
  const absences: Fault[] = []
  for (let atMs = 200; atMs < 0.8 * durationMs; atMs += durationMs * (0.05 + 0.3 * random.next())) {
    const forMs = durationMs * (0.1 + 0.5 * random.next())
    const replica = random.below(replicas)
    if (random.chance(0.5)) absences.push({ atMs, kind: 'crash', replica, forMs })
    else absences.push({ atMs, kind: 'partition', side: [replica], how: random.pick(['silent', 'closed']), forMs })
  }
  return {
    ...options,
    clients: { ...clients, operations: 4 * clients.operations, thinkMs: Math.min(clients.thinkMs, 50) },
    checkpoints: { ...checkpoints, leastBytes: 100 },
    network: { ...network, lostCommit: Math.max(network.lostCommit, random.pick([0, 0.2])) },
    faults: [...options.faults, ...absences],
  }
}

/** In some runs the first starts come in any order, with delays: the founding waits for the last one. */
function drawFirstStarts(random: Random, replicas: number, durationMs: number): number[] {
  if (random.chance(0.6)) return new Array(replicas).fill(0)
  return Array.from({ length: replicas }, () => Math.min(durationMs / 2, random.pick([0, 0, 20, 300, 1000])))
}

/** In a quarter of the runs batches are executed one command, or a few, at a time. */
function drawWork(random: Random): number {
  return random.chance(0.75) ? 1 << 30 : random.pick([1, 2 * COMMAND_WORK, 8 * COMMAND_WORK])
}

function drawClients(random: Random, durationMs: number, duel: boolean): Omit<ClientOptions, 'opens'> {
  const count = 1 + random.below(6)
  const thinkMs = duel ? random.pick([50, 400]) : random.pick([0, 5, 50, 200])
  return {
    count,
    withSession: random.chance(0.6) ? count : random.below(count + 1),
    window: random.pick([1, 1, 4, 16]),
    thinkMs,
    operations: Math.ceil(random.pick([20, 40, 80]) * Math.max(1, durationMs / 10_000)),
    patienceMs: random.pick([200, 700, 2500]),
    hedge: random.pick([0, 0, 0.1]),
    expire: random.pick([0, 0.02]),
  }
}

function drawSessions(random: Random): Limits {
  if (random.chance(0.4)) return SESSION_LIMITS
  return {
    bytes: random.pick([SESSION_LIMITS.bytes, 1000, 4000]),
    numbers: random.pick([SESSION_LIMITS.numbers, 10, 30]),
    sessions: random.pick([SESSION_LIMITS.sessions, 3, 8]),
    tombstones: SESSION_LIMITS.tombstones,
  }
}

/**
 * A lifetime shorter than a run would let late duplicates be applied again, as it may: names that clients choose open
 * anew then. Names that a command has made do not.
 */
function drawLifetime(random: Random, { opens }: ClientOptions): number {
  return opens && random.chance(0.4) ? random.pick([1200, 3000]) : SESSION_LIFETIME_MS
}

function drawTiming(random: Random, duel: boolean, roundMs: number): Timing {
  if (!duel && random.chance(0.6)) return DEFAULT_TIMING
  const heartbeatMs = random.pick([20, 100])
  return {
    heartbeatMs,
    lazyMs: random.pick([0, 50]),
    lookMs: random.pick([1, 10]),
    // A replica that is silent between two heartbeats is not gone.
    suspectMs: Math.max(random.pick([60, 450]), 2 * roundMs, 3 * heartbeatMs),
    retryMs: random.pick([5, 50, 300]),
    recoverMs: random.pick([1, 10, 60]),
    maxRetryMs: Math.max(random.pick([400, 2000]), 6 * roundMs),
    patienceMs: random.pick([1, 20, 250]),
    askMs: random.pick([10, 100]),
  }
}

function drawKeys(random: Random, duel: boolean): KeyOptions {
  const pools = Array.from({ length: duel ? 1 : 1 + random.below(6) }, () => random.pick([1, 1, 2, 3]))
  return {
    pools,
    hot: random.pick([0, 0.5, 1]),
    reads: random.pick([0.1, 0.5]),
    transactions: random.pick([0, 0.2]),
    rotateMs: random.pick([1000, 5000]),
  }
}

function drawNetwork(random: Random, duel: boolean): Omit<NetworkOptions, keyof Bandwidth> {
  const lossy = random.chance(0.6)
  return {
    distanceMs: random.pick([0.2, 5, 40]),
    jitterMs: random.pick([0.1, 1, 10, 50]),
    loss: lossy ? random.pick([0.01, 0.05, 0.15]) : 0,
    duplicate: random.pick([0, 0.02, 0.1]),
    ordered: random.chance(0.4),
    split: random.chance(0.5),
    lostCommit: duel ? random.pick([0.2, 0.9]) : random.pick([0, 0, 0.2]),
    lostOk: duel ? random.pick([0, 0.5, 0.8, 0.9]) : 0,
    deaf: duel ? random.pick([0, 0.8, 1]) : 0,
  }
}

type Bandwidth = Pick<NetworkOptions, 'bytesPerMs' | 'behindBytes' | 'mostBufferedBytes'>

/**
 * In an eighth of the runs links are so slow that frames queue; the limits in bytes are then as small as the frames.
 */
function drawBandwidth(random: Random): Bandwidth {
  if (random.chance(7 / 8)) return { bytesPerMs: 0, behindBytes: 256 << 10, mostBufferedBytes: MAX_BACKPRESSURE_BYTES }
  const behindBytes = random.pick([1 << 10, 4 << 10])
  return { bytesPerMs: random.pick([5, 20, 100]), behindBytes, mostBufferedBytes: behindBytes * random.pick([2, 16]) }
}

function drawDisk(random: Random): DiskOptions {
  const leastMs = random.pick([0.05, 0.2])
  return { leastMs, mostMs: leastMs + random.pick([0.1, 2, 20]), keeps: random.chance(0.7) }
}

function drawCheckpoints(random: Random): CheckpointLimits {
  return {
    leastBytes: random.pick([100, 500, 3000, 20_000]),
    sliceBytes: random.pick([1, 1000, 1 << 20]),
    sliceMs: 1,
    bytesPerMs: random.pick([10, 1000]),
  }
}

function drawSurvivors(random: Random, replicas: number): number[] {
  const all = Array.from({ length: replicas }, (_, id) => id)
  if (random.chance(0.5)) return all
  const ranked = all.map((id) => ({ id, rank: random.next() })).sort((a, b) => a.rank - b.rank)
  return ranked
    .slice(0, Math.floor(replicas / 2) + 1)
    .map(({ id }) => id)
    .sort((a, b) => a - b)
}
