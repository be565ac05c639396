/** One operation of a client, as it saw it. Times only order: any unit. */
export interface Operation<Input, Output> {
  readonly process: number
  readonly input: Input
  /** Null where the outcome is unknown: it may take effect at any time after the call, or never. */
  readonly output: Output | null
  readonly calledAt: number
  /** Infinity where the outcome is unknown; finite with an unknown outcome: it has taken effect by then, with whatever output. */
  readonly returnedAt: number
}

/** The sequential object that a history is judged against. States are compared by their keys. */
export interface Model<Input, Output, State> {
  /** Operations with different keys are independent: they are judged apart. */
  readonly partition: (input: Input) => string
  readonly initial: State
  /** The state after the operation, or null where `output` is impossible in `state`; an unknown output (null) is possible always. */
  readonly step: (state: State, input: Input, output: Output | null) => { readonly state: State } | null
  readonly key: (state: State) => string
  readonly describe: (input: Input, output: Output | null) => string
}
