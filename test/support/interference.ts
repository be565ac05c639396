import { EVERYTHING, type Footprint } from '../../src/engine/footprint.ts'

/** Whether two footprints interfere, by the definition and not by an index. */
export function interferes(a: Footprint, b: Footprint): boolean {
  if ((a[0] as number) >= EVERYTHING || (b[0] as number) >= EVERYTHING) return true
  const [x, y] = [keys(a), keys(b)]
  return [...x].some(([key, writes]) => y.has(key) && (writes || y.get(key) === true))
}

function keys(footprint: Footprint): Map<string, boolean> {
  const writes = footprint[0] as number
  const found = new Map<string, boolean>()
  for (let k = 0; k < (footprint.length - 1) / 2; k++) {
    const key = `${footprint[1 + 2 * k]}:${footprint[2 + 2 * k]}`
    found.set(key, k < writes || found.get(key) === true)
  }
  return found
}
