/** A source of randomness: numbers in [0, 1). */
export type Random = () => number

/** What an unfinished write may leave of some bytes: they are cut off, or one bit of them is flipped. */
export function tear(bytes: Uint8Array, random: Random): Uint8Array {
  if (random() < 0.5) return bytes.slice(0, Math.floor(random() * bytes.length))
  const torn = bytes.slice()
  const bit = Math.floor(random() * torn.length * 8)
  torn[bit >>> 3] = (torn[bit >>> 3] as number) ^ (1 << (bit & 7))
  return torn
}
