import type { CheckpointWriter } from '../storage/checkpoints.ts'
import type { Clock } from './clock.ts'

/** How much is read in one turn, in ms. */
const SLICE_MS = 5

/**
 * Appends the chunks to a section of a checkpoint, some in each turn.
 *
 * @param goesOn throws if nobody needs the checkpoint any more
 */
export async function appendSection(
  writer: CheckpointWriter,
  section: string,
  chunks: Iterable<Uint8Array>,
  clock: Clock,
  goesOn: () => void,
): Promise<void> {
  let end = clock.now() + SLICE_MS
  for (const chunk of chunks) {
    await writer.append(section, chunk)
    goesOn()
    if (clock.now() < end) continue
    await new Promise<void>((resolve) => clock.soon(resolve))
    end = clock.now() + SLICE_MS
  }
}
