const SAMPLE_LINES = 12

/**
 * What is wrong with transcripts that should be equal and contain each expected line once; empty if nothing is wrong.
 */
export function faultsOf(transcripts: readonly Buffer[], expected: readonly string[]): string[] {
  const faults: string[] = []
  const [first, ...others] = transcripts as [Buffer, ...Buffer[]]
  others.forEach((transcript, i) => {
    if (!transcript.equals(first))
      faults.push(`transcript ${i + 1} differs from transcript 0 ${whereTheyDiffer(first, transcript)}`)
  })
  const counts = new Map<string, number>()
  for (const line of linesOf(first)) counts.set(line, (counts.get(line) ?? 0) + 1)
  for (const line of expected) {
    const count = counts.get(line) ?? 0
    if (count !== 1) faults.push(`${count} times: ${line}`)
    counts.delete(line)
  }
  for (const line of counts.keys()) faults.push(`nobody proposed: ${line}`)
  return faults
}

/** Lines from the middle of a transcript. */
export function sampleOf(transcript: Buffer): string[] {
  const lines = linesOf(transcript)
  const start = Math.max(0, Math.floor((lines.length - SAMPLE_LINES) / 2))
  return lines.slice(start, start + SAMPLE_LINES).map((line, i) => `${start + i + 1}: ${line}`)
}

function whereTheyDiffer(a: Buffer, b: Buffer): string {
  const [left, right] = [linesOf(a), linesOf(b)]
  const at = left.findIndex((line, i) => line !== right[i])
  const line = at < 0 ? left.length : at
  return `in line ${line + 1}: "${left[line] ?? ''}" and "${right[line] ?? ''}"`
}

function linesOf(transcript: Buffer): string[] {
  return transcript.toString('utf8').split('\n').slice(0, -1)
}
