/** A promise of the protocol, or of the product, that a simulation saw broken. */
export class Violation extends Error {
  override readonly name = 'Violation'
  readonly property: string

  /** @param property its name in protocol.md §5, or what was promised */
  constructor(property: string, what: string) {
    super(`${property}: ${what}`)
    this.property = property
  }
}
