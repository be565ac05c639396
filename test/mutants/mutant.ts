/**
 * What hunts a mutant: the simulator or the campaign of changing members, over seeds; or the model checker, within
 * bounds. Each gives up after `minutes`.
 */
export type Hunter =
  | {
      readonly by: 'simulator'
      /** Set if the defect is in the reference engine; wasm otherwise. */
      readonly engine?: 'reference'
      /** Only clusters with this many replicas. */
      readonly replicas?: number
      /** With members that are away for long. */
      readonly absences?: boolean
    }
  | {
      readonly by: 'epochs'
      /** One of `../epochs/stories.ts`, instead of the campaign. */
      readonly story?: string
    }
  | {
      readonly by: 'model-check'
      /** Flags of `npm run model-check`. */
      readonly bounds: string
    }

/** A place in the shipped source, and its text with the defect. */
export interface Patch {
  /** Below `src/`. */
  readonly file: string
  readonly from: string
  readonly to: string
}

/** A possible defect: replacements in a copy of the source, and what must find it there. */
export interface Mutant {
  readonly name: string
  readonly patches: readonly Patch[]
  readonly hunter: Hunter
}

/** The result of the hunt for a mutant. */
export interface Hunted {
  readonly killed: boolean
  /** What was violated. */
  readonly verdict: string
  /** Seeds run, or states visited. */
  readonly effort: string
  readonly seconds: number
}
