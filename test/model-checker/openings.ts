/**
 * 0.1 may have been committed by 0, 1 and 2; 3.1 is known to its coordinator and to 4; the recovery of 0.1 waits for
 * it.
 */
const WAITS = [
  'propose 3',
  'deliver 3→4 preAccept 3.1',
  'propose 0',
  'deliver 0→1 preAccept 0.1',
  'deliver 0→2 preAccept 0.1',
  ...recovered(0, 1, [2, 4]),
  'deliver 1→4 validate 0.1',
  'deliver 2→1 validateOk 0.1',
  'deliver 4→1 validateOk 0.1',
]

/**
 * Beginnings of runs of five or seven replicas that no search reaches by itself; the states after them are searched as
 * usual. The beginning of its text names a step.
 */
export const OPENINGS: Readonly<Record<string, readonly string[]>> = {
  /**
   * 0 sends Accept in ballot 0, with a dependency that only 2 knows; 1, 3 and 4, which do not know it, recover the
   * instance.
   */
  slow: [
    'propose 2',
    'propose 0',
    'deliver 0→2 preAccept 0.1',
    'deliver 0→3 preAccept 0.1',
    'deliver 2→0 preAcceptOk 0.1',
    'deliver 3→0 preAcceptOk 0.1',
    'expire 0 0.1',
    'deliver 0→2 accept 0.1',
    ...recovered(0, 3, [1, 4]),
    ...[1, 4].map((id) => `deliver 3→${id} validate 0.1`),
    ...[1, 4].map((id) => `deliver ${id}→3 validateOk 0.1`),
  ],
  /** Three replicas: 0 has accepted 0.1 in ballot 0, the others have accepted it as a no-op in the ballot of 2. */
  'two-votes': [
    'propose 1',
    'propose 0',
    'deliver 0→1 preAccept 0.1',
    'deliver 1→0 preAcceptOk 0.1',
    'expire 0 0.1',
    ...recovered(0, 2, [1]),
    'deliver 2→1 accept 0.1',
    'deliver 1→2 acceptOk 0.1',
  ],
  /**
   * 1.1 is committed on the fast path without 0.1, and 1.2 depends on 1.1; all of Q know both when 0.1 is validated.
   */
  'hidden-behind-harmless': [
    'propose 0',
    'deliver 0→3 preAccept 0.1',
    'propose 1',
    'deliver 1→2 preAccept 1.1',
    'deliver 1→4 preAccept 1.1',
    'deliver 0→1 preAccept 0.1',
    'propose 1',
    'deliver 1→2 preAccept 1.2',
    'deliver 1→4 preAccept 1.2',
    'deliver 2→1 preAcceptOk 1.1',
    'deliver 4→1 preAcceptOk 1.1',
    ...recovered(0, 3, [2, 4]),
    ...[2, 4].map((id) => `deliver 3→${id} validate 0.1`),
    ...[2, 4].map((id) => `deliver ${id}→3 validateOk 0.1`),
  ],
  /**
   * 4 knows the batch of 1.1, and that 1.1 became a no-op; 0.1 is committed on the fast path without it, and recovered.
   */
  'beside-a-noop': [
    'propose 1',
    'deliver 1→4 preAccept 1.1',
    ...recovered(1, 4, [1, 3]),
    ...[1, 3].map((id) => `deliver 4→${id} accept 1.1`),
    ...[1, 3].map((id) => `deliver ${id}→4 acceptOk 1.1`),
    'propose 0',
    'deliver 0→2 preAccept 0.1',
    'deliver 0→3 preAccept 0.1',
    'deliver 2→0 preAcceptOk 0.1',
    'deliver 3→0 preAcceptOk 0.1',
    ...recovered(0, 2, [3, 4]),
  ],
  /** Two replicas that will lose what is not synced validate 0.1, which only 1 has pre-accepted. */
  validated: [
    'propose 0',
    'deliver 0→1 preAccept 0.1',
    ...recovered(0, 1, [2, 3]),
    'doom 2',
    'doom 3',
    'deliver 1→2 validate 0.1',
    'deliver 1→3 validate 0.1',
  ],
  /**
   * Seven replicas with e = 3, which the sizes of a sound core do not allow: four of them may have committed 0.1; two
   * besides its coordinator agree on 6.1; both are recovered.
   */
  seven: [
    'propose 6',
    'deliver 6→4 preAccept 6.1',
    'deliver 6→5 preAccept 6.1',
    'propose 0',
    'deliver 0→1 preAccept 0.1',
    'deliver 0→2 preAccept 0.1',
    'deliver 0→3 preAccept 0.1',
    ...recovered(0, 1, [2, 3, 5]),
    'deliver 1→5 validate 0.1',
    ...[2, 3, 5].map((id) => `deliver ${id}→1 validateOk 0.1`),
    ...recovered(6, 4, [5, 1, 2]),
    'deliver 4→1 validate 6.1',
    'deliver 4→2 validate 6.1',
    ...[5, 1, 2].map((id) => `deliver ${id}→4 validateOk 6.1`),
    ...[1, 2, 3].map((id) => `deliver ${id}→0 preAcceptOk 0.1`),
    'deliver 4→1 waiting 6.1',
  ],
  /**
   * 0, 1 and 4 commit 0.1 on the fast path, and nobody else hears of it. 1.1 depends on it; its recoverer, 2, accepts
   * 1.1 as a no-op, and a no-op depends on nothing. 4 recovers 0.1 with 2 and 3, and 2 reports what it knows of 1.1.
   */
  'accepted-noop': [
    'propose 0',
    'deliver 0→1 preAccept 0.1',
    'deliver 0→4 preAccept 0.1',
    'propose 1',
    'deliver 1→2 preAccept 1.1',
    ...recovered(1, 2, [1, 4]),
    ...[1, 4].map((id) => `deliver ${id}→0 preAcceptOk 0.1`),
    ...recovered(0, 4, [2, 3]),
    ...[2, 3].map((id) => `deliver 4→${id} validate 0.1`),
  ],
  /** The recovery of 3.1 finds one replica that agrees. */
  'waits-for-one': [...WAITS, ...recovered(3, 4, [0, 1])],
  /** The coordinator of 3.1 answers its recovery. */
  'waits-for-coordinator': [...WAITS, ...recovered(3, 4, [3, 1])],
}

/** A recovery of the first instance of a row, decided by these answers. */
function recovered(row: number, by: number, of: readonly number[]): string[] {
  return [
    `recover ${by} ${row}.1`,
    ...of.map((id) => `deliver ${by}→${id} recover ${row}.1`),
    ...of.map((id) => `deliver ${id}→${by} recoverOk ${row}.1`),
    `expire ${by} ${row}.1`,
  ]
}
