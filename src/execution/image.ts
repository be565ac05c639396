import { gathered } from './chunks.ts'
import type { MachineImage, StateMachine } from './machine.ts'
import type { SessionImage } from './session-image.ts'

/** The parts of what is executed, in the order in which they are written. */
export type ExecutedSection = 'machine' | 'sessions'

/** State and sessions as of one moment between two components, read in pieces while execution goes on. */
export interface ExecutionImage {
  /**
   * Iterated once, one after the other. Each step does a small amount of work, and may give an empty chunk; execution
   * may go on between two steps.
   */
  readonly sections: readonly { readonly name: ExecutedSection; readonly chunks: Iterable<Uint8Array> }[]
  /** Whether the machine has stopped for its whole snapshot, because it offers no image. */
  readonly stopped: boolean
  /** Bytes of the machine that are copied and not read yet. */
  readonly waitingBytes: number
  /** The rest is not read, or everything was. Releasing twice is releasing. */
  release(): void
}

export function imageOf(machine: StateMachine, sessions: SessionImage): ExecutionImage {
  const image = machine.capture?.() ?? snapshotOf(machine)
  return {
    sections: [
      { name: 'machine', chunks: image.chunks },
      { name: 'sessions', chunks: sessions.chunks },
    ],
    stopped: machine.capture === undefined,
    get waitingBytes() {
      return image.waitingBytes
    },
    release() {
      image.release()
      sessions.release()
    },
  }
}

/** The image of a machine that has none of its own: all of its state, copied at once. */
function snapshotOf(machine: StateMachine): MachineImage {
  let chunks = [...gathered(machine.snapshot())]
  function* take(): Iterable<Uint8Array> {
    for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) yield chunk
  }
  return {
    chunks: take(),
    get waitingBytes() {
      return chunks.reduce((sum, { length }) => sum + length, 0)
    },
    release() {
      chunks = []
    },
  }
}
