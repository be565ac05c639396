/**
 * The number of bytes of a result that are hashed. The cost must not grow with the results, whose effect the hash of
 * the state machine covers.
 */
const HASHED_BYTES = 16

/** A hash of the length of a result and of its first bytes, a 32-bit integer that is not negative. */
export function contentOf(result: Uint8Array): number {
  const { length } = result
  let h = 0x811c9dc5 ^ length
  for (let i = 0; i < length && i < HASHED_BYTES; i++) h = Math.imul(h ^ (result[i] as number), 0x01000193)
  return h >>> 1
}

/**
 * Mixes a salt, a whole number up to 2⁵³ and 32 bits. The sum of such values does not depend on the order in which they
 * are added.
 */
export function mix(salt: number, number: number, bits: number): number {
  let h = Math.imul(salt ^ (number | 0), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15) ^ Math.floor(number / 0x1_0000_0000), 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 13) ^ bits, 0x9e3779b1)
  return h ^ (h >>> 16)
}
