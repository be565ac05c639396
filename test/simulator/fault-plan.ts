import type { Cut } from '../../src/transport/memory.ts'
import type { Random } from '../support/random.ts'
import type { SpaceLimits } from './simulated-space.ts'

interface Planned {
  readonly atMs: number
}

/** What goes wrong, when, and for how long. */
export type Fault = Planned &
  (
    | { readonly kind: 'crash'; readonly replica: number; readonly forMs: number }
    /** At its next PreAccept, or its next Commit in ballot 0. */
    | {
        readonly kind: 'crashSpeaking'
        readonly replica: number
        readonly saying: 'preAccept' | 'commit'
        readonly afterMs: number
        readonly forMs: number
      }
    /** Some replicas propose interfering commands at once, and soon some of them end. */
    | {
        readonly kind: 'duel'
        readonly proposers: readonly number[]
        readonly silent: readonly number[]
        readonly afterMs: number
        readonly forMs: number
      }
    /** All replicas at once. */
    | { readonly kind: 'blackout'; readonly forMs: number }
    | { readonly kind: 'pause'; readonly replica: number; readonly forMs: number }
    /** Turns that take longer than others wait for a silent peer, again and again. */
    | {
        readonly kind: 'longTurns'
        readonly replica: number
        readonly turnMs: number
        readonly gapMs: number
        readonly times: number
      }
    | {
        readonly kind: 'cut'
        readonly from: number
        readonly to: number
        readonly how: Cut
        readonly forMs: number
      }
    | { readonly kind: 'partition'; readonly side: readonly number[]; readonly how: Cut; readonly forMs: number }
    /** It comes back with an empty disk, which must be refused, and then with its own disk. */
    | { readonly kind: 'amnesia'; readonly replica: number; readonly forMs: number }
    | { readonly kind: 'slowDisk'; readonly replica: number; readonly addedMs: number; readonly forMs: number }
    | { readonly kind: 'fullDisk'; readonly replica: number; readonly forMs: number }
    /** Something else takes the space of its disk, all but some bytes. */
    | { readonly kind: 'shortDisk'; readonly replica: number; readonly leavesBytes: number; readonly forMs: number }
    /**
     * It comes back with a damaged value in its journal, which must be detected, and then with the undamaged journal.
     * Places are in [0, 1).
     */
    | {
        readonly kind: 'damage'
        readonly replica: number
        readonly torn: boolean
        readonly value: number
        readonly bit: number
        readonly forMs: number
      }
    /** It comes back with a damaged checkpoint, which must be detected, and then with the undamaged one. */
    | { readonly kind: 'damageCheckpoint'; readonly replica: number; readonly forMs: number }
    /** Nothing of a checkpoint can be written. */
    | { readonly kind: 'fullCheckpoints'; readonly replica: number; readonly forMs: number }
    /** A copy of its directory is started beside it, while it is stopped; then it goes on. */
    | { readonly kind: 'copyBeside'; readonly replica: number; readonly forMs: number }
    /** An older copy of its directory is put back, and later its own. */
    | { readonly kind: 'copyBack'; readonly replica: number; readonly forMs: number }
    /** A member of another cluster dials the members, under the replica's id. */
    | { readonly kind: 'stranger'; readonly replica: number; readonly forMs: number }
    | { readonly kind: 'jump'; readonly replica: number; readonly byMs: number }
    /** A client ends, and comes back without knowing what it requested. */
    | { readonly kind: 'clientEnds'; readonly client: number }
  )

export type FaultKind = Fault['kind']

export const FAULT_KINDS: readonly FaultKind[] = [
  'crash',
  'crashSpeaking',
  'duel',
  'blackout',
  'pause',
  'longTurns',
  'cut',
  'partition',
  'amnesia',
  'slowDisk',
  'fullDisk',
  'damage',
  'jump',
  'clientEnds',
]

/** Faults that are drawn in some runs only; see {@link drawShortDisks}. */
export const SPACE_FAULT_KINDS = ['shortDisk'] as const satisfies FaultKind[]

/** See {@link drawCheckpointFaults}. */
export const CHECKPOINT_FAULT_KINDS = ['damageCheckpoint', 'fullCheckpoints'] as const satisfies FaultKind[]

/** What {@link drawFault} makes. */
type DrawnKind = Exclude<FaultKind, 'longTurns' | 'shortDisk' | (typeof CHECKPOINT_FAULT_KINDS)[number]>
const DRAWN_KINDS = FAULT_KINDS.filter((kind): kind is DrawnKind => kind !== 'longTurns')
/** Faults of data directories, besides losing one. */
export const DIRECTORY_FAULT_KINDS = ['copyBeside', 'copyBack', 'stranger'] as const satisfies FaultKind[]

interface Scene {
  readonly replicas: number
  readonly crashes: number
  readonly durationMs: number
  readonly clients: number
  readonly duel: boolean
}

/** A plan over the whole safety phase: some kinds of faults, at random times. */
export function drawFaults(random: Random, scene: Scene): Fault[] {
  const usual = 0.35
  const kinds = DRAWN_KINDS.filter((kind) => random.chance(scene.duel && kind === 'duel' ? 1 : usual))
  const gapMs = random.pick([400, 1000, 3000])
  const faults: Fault[] = []
  if (kinds.length === 0) return faults
  for (let atMs = 300; atMs < scene.durationMs; atMs += 2 * random.next() * gapMs) {
    const duels = scene.duel && random.chance(0.5)
    faults.push(drawFault(random, duels ? 'duel' : random.pick(kinds), atMs, scene))
  }
  return faults
}

/** For one replica, in some runs; with a stream of its own, so that all other faults of a seed stay what they are. */
export function drawLongTurns(random: Random, scene: Scene): Fault[] {
  if (!random.chance(0.15)) return []
  const turnMs = random.pick([500, 800, 1500])
  const times = Math.floor(scene.durationMs / 2000)
  const atMs = 300 + random.next() * 500
  return [
    { atMs, kind: 'longTurns', replica: random.below(scene.replicas), turnMs, gapMs: random.pick([50, 300]), times },
  ]
}

/**
 * In some runs, disks on which so little space is left that a replica refuses updates, and soon takes no part.
 *
 * @param limits what replicas keep free
 */
export function drawShortDisks(random: Random, scene: Scene, limits: SpaceLimits): Fault[] {
  const { nearlyFullBytes, fullBytes } = limits
  const faults: Fault[] = []
  const all = random.chance(0.2)
  for (let atMs = 300 + 1000 * random.next(); atMs < scene.durationMs; atMs += 3000 * random.next()) {
    const leavesBytes = random.pick([nearlyFullBytes - 1, fullBytes + 2000, fullBytes + 8000, fullBytes])
    const forMs = random.pick([300, 1000, 3000])
    const replicas = all ? Array.from({ length: scene.replicas }, (_, id) => id) : [random.below(scene.replicas)]
    for (const replica of replicas) faults.push({ atMs, kind: 'shortDisk', replica, leavesBytes, forMs })
  }
  return faults
}

/** A process goes on beside its copy only this long after its stop. */
const NOTICED_MS = 1600

/** Faults of checkpoints, in some runs. */
export function drawCheckpointFaults(random: Random, { replicas, durationMs }: Scene): Fault[] {
  const faults: Fault[] = []
  for (const kind of CHECKPOINT_FAULT_KINDS) {
    if (!random.chance(0.25)) continue
    for (let i = 0; i <= random.below(3); i++) {
      const atMs = 300 + (durationMs - 300) * random.next()
      faults.push({ atMs, kind, replica: random.below(replicas), forMs: random.pick([20, 300, 1000]) })
    }
  }
  return faults
}

/** Disks that are lost before the founding ends, several that are lost at a time, copies and strangers. */
export function drawDirectoryFaults(random: Random, replicas: number, durationMs: number): Fault[] {
  const faults: Fault[] = []
  if (replicas === 1) return faults
  const any = () => random.below(replicas)
  if (random.chance(0.3)) {
    for (let i = 0; i <= random.below(3); i++) {
      const atMs = 1 + 600 * random.next()
      faults.push({ atMs, kind: 'amnesia', replica: any(), forMs: random.pick([5, 50, 300, 1000]) })
    }
  }
  if (random.chance(0.25)) {
    const atMs = durationMs * (0.2 + 0.6 * random.next())
    const forMs = random.pick([200, 1000, 3000])
    for (let replica = 0; replica < replicas; replica++) {
      if (random.chance(0.6)) faults.push({ atMs: atMs + 50 * random.next(), kind: 'amnesia', replica, forMs })
    }
  }
  for (const kind of DIRECTORY_FAULT_KINDS) {
    if (!random.chance(0.3)) continue
    for (let i = 0; i <= random.below(3); i++) {
      const lastMs = kind === 'copyBeside' ? Math.max(500, durationMs - NOTICED_MS) : durationMs
      const atMs = 300 + (lastMs - 300) * random.next()
      faults.push({ atMs, kind, replica: any(), forMs: random.pick([300, 1000, 2000]) })
    }
  }
  return faults
}

function drawFault(random: Random, kind: DrawnKind, atMs: number, scene: Scene): Fault {
  const replica = random.below(scene.replicas)
  const forMs = random.pick([20, 200, 1000, 3000])
  const how = random.pick(['closed', 'silent'] as const)
  switch (kind) {
    case 'crash':
    case 'pause':
    case 'amnesia':
    case 'fullDisk':
    case 'copyBeside':
    case 'copyBack':
    case 'stranger':
      return { atMs, kind, replica, forMs }
    case 'crashSpeaking': {
      const saying = random.pick(['preAccept', 'preAccept', 'commit'] as const)
      return { atMs, kind, replica, saying, afterMs: random.pick([0, 1, 5, 30]), forMs }
    }
    case 'duel': {
      const ranked = Array.from({ length: scene.replicas }, (_, id) => ({ id, rank: random.next() }))
      const ids = ranked.sort((x, y) => x.rank - y.rank).map(({ id }) => id)
      const silent = ids.slice(0, Math.max(1, scene.crashes - random.below(2)))
      // One that ends, and one or two that live.
      const proposers = [ids[0] as number, ...ids.slice(-1 - random.below(2))]
      return { atMs, kind, proposers, silent, afterMs: random.pick([1, 5, 30, 100]), forMs: 1000 + forMs }
    }
    case 'blackout':
      return { atMs, kind, forMs: Math.min(forMs, 1000) }
    case 'cut':
      return { atMs, kind, from: replica, to: random.below(scene.replicas), how, forMs }
    case 'partition': {
      const side = Array.from({ length: scene.replicas }, (_, id) => id).filter(() => random.chance(0.5))
      return { atMs, kind, side, how, forMs }
    }
    case 'slowDisk':
      return { atMs, kind, replica, addedMs: random.pick([5, 50, 500]), forMs }
    case 'damage':
      return { atMs, kind, replica, torn: random.chance(0.5), value: random.next(), bit: random.next(), forMs }
    case 'jump':
      return { atMs, kind, replica, byMs: random.pick([50, 1000, 20_000]) }
    case 'clientEnds':
      return { atMs, kind, client: random.below(scene.clients) }
  }
}
