/** One operation of a client, as the client saw it. Times only define an order; any unit will do. */
export interface Operation<Input, Output> {
  readonly process: number
  readonly input: Input
  /** Null if the outcome is unknown: the operation may take effect at any time after the call, or never. */
  readonly output: Output | null
  readonly calledAt: number
  /**
   * Infinity if the outcome is unknown. A finite time with an unknown outcome means: it has taken effect by then, with
   * any output.
   */
  readonly returnedAt: number
}

/** The sequential object that a history is judged against. States are compared by their keys. */
export interface Model<Input, Output, State> {
  /** Operations with different keys are independent and judged separately. */
  readonly partition: (input: Input) => string
  readonly initial: State
  /**
   * The state after the operation, or null if `output` is impossible in `state`; an unknown output (null) is always
   * possible.
   */
  readonly step: (state: State, input: Input, output: Output | null) => { readonly state: State } | null
  readonly key: (state: State) => string
  readonly describe: (input: Input, output: Output | null) => string
}
