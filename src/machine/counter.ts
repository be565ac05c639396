/** Digits of 2⁵³−1. */
const MAX_DIGITS = 16
/** A sign and the digits. */
export const COUNTER_BYTES = 1 + MAX_DIGITS
const MINUS = 0x2d
const ZERO = 0x30

/**
 * The number with the decimal digits `bytes[start, end)`, as {@link writeCounter} writes it: no sign except `-`, no
 * leading zeros, within ±(2⁵³−1). NaN for anything else.
 */
export function readCounter(bytes: Uint8Array, start: number, end: number): number {
  const negative = bytes[start] === MINUS
  const first = negative ? start + 1 : start
  const digits = end - first
  if (digits < 1 || digits > MAX_DIGITS) return Number.NaN
  if (bytes[first] === ZERO && (digits > 1 || negative)) return Number.NaN
  let number = 0
  for (let i = first; i < end; i++) {
    const digit = (bytes[i] as number) - ZERO
    if (digit < 0 || digit > 9) return Number.NaN
    number = number * 10 + digit
  }
  if (!Number.isSafeInteger(number)) return Number.NaN
  return negative ? -number : number
}

/** Writes the decimal digits of a number to the beginning of `bytes`, of {@link COUNTER_BYTES}; returns their count. */
export function writeCounter(number: number, bytes: Uint8Array): number {
  const text = String(number)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return text.length
}
