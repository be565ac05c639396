/**
 * What a test run covered. Volumes are summed by name and printed at the end, so that a run that tested nothing shows.
 */
const volumes = new Map<string, number>()

export function volume(name: string, count: number): void {
  volumes.set(name, (volumes.get(name) ?? 0) + count)
}

/** By name. */
export function allVolumes(): [string, number][] {
  return [...volumes].sort(([a], [b]) => (a < b ? -1 : 1))
}

export function volumeLines(): string[] {
  return allVolumes().map(([name, count]) => `${name}: ${count}`)
}
