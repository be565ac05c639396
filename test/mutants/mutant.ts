/** What looks for a mutant: the simulator, over seeds; or the model checker, within bounds. Either gives up after `minutes`. */
export type Hunter =
  | {
      readonly by: 'simulator'
      /** Where the defect is in the reference engine; wasm otherwise. */
      readonly engine?: 'reference'
      /** Only clusters of so many replicas. */
      readonly replicas?: number
    }
  | {
      readonly by: 'model-check'
      /** Flags of `npm run model-check`. */
      readonly bounds: string
    }

/** A line of the shipped source, and what it reads with the defect in it. */
export interface Patch {
  /** Below `src/`. */
  readonly file: string
  readonly from: string
  readonly to: string
}

/** A defect that somebody could make: replacements in a copy of the source, and what must find it there. */
export interface Mutant {
  readonly name: string
  readonly patches: readonly Patch[]
  readonly hunter: Hunter
}

/** What came of the hunt for a mutant. */
export interface Hunted {
  readonly killed: boolean
  /** What was violated. */
  readonly verdict: string
  /** Seeds that were run, or states that were looked at. */
  readonly effort: string
  readonly seconds: number
}
