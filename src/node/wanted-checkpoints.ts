import { EpaxosError, ErrorCode } from '../errors.ts'
import type { CheckpointReader } from '../storage/checkpoints.ts'

interface Wanted {
  resolve(reader: CheckpointReader): void
  reject(error: EpaxosError): void
}

/** Those who want a checkpoint of a point after their call, and wait for it. */
export class WantedCheckpoints {
  /** A checkpoint that is being written has begun before these came. */
  #waiting: Wanted[] = []
  #begun: Wanted[] = []

  /** Whether a checkpoint should begin. */
  get any(): boolean {
    return this.#waiting.length > 0
  }

  want(): Promise<CheckpointReader> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** A checkpoint begins now. */
  begun(): void {
    this.#begun = this.#waiting.splice(0)
  }

  /** It is whole. Each gets a reader of its own. */
  finished(latest: () => CheckpointReader): void {
    for (const { resolve, reject } of this.#begun.splice(0)) {
      try {
        resolve(latest())
      } catch (error) {
        reject(error as EpaxosError)
      }
    }
  }

  /** There is none, for this reason. */
  failed(code: ErrorCode, message: string): void {
    const error = new EpaxosError(code, `there is no checkpoint: ${message}`)
    for (const { reject } of [...this.#begun.splice(0), ...this.#waiting.splice(0)]) reject(error)
  }

  noSpace(): void {
    this.failed(ErrorCode.diskFull, 'the disk has no space for another one')
  }

  givenUp(): void {
    this.failed(ErrorCode.closed, 'it was given up')
  }
}
