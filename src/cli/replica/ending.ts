import { askToStop, stopSignal, untilAborted } from '../process/stop.ts'

/** How the process of a replica ends: it is asked to stop, or it fails. */
export class Ending {
  /** Resolves when the process is asked to stop; rejects with the reason why the replica failed. */
  readonly come: Promise<void>
  /** Why the replica failed, before it was asked to stop or while it stopped; null if it has not failed. */
  failure: Error | null = null
  #fail: (error: Error) => void = () => {}

  /**
   * From now on the process stops in order when it is asked to stop, or when a parent that holds a channel to it has
   * ended.
   */
  constructor() {
    const failed = new Promise<never>((_, reject) => {
      this.#fail = reject
    })
    this.come = Promise.race([untilAborted(stopSignal()), failed])
    this.come.catch(() => {})
    process.once('disconnect', askToStop)
    // The parent has already ended.
    if (process.send !== undefined && !process.connected) askToStop()
  }

  /** The process has nothing more to do: a channel to its parent does not keep it alive. */
  static letGo(): void {
    if (process.connected) process.disconnect()
  }

  fail(error: Error): void {
    this.failure ??= error
    this.#fail(error)
  }

  /** Resolves with whether the work was done before the end came; rejects if either rejects. */
  async after(work: Promise<void>): Promise<boolean> {
    return await Promise.race([work.then(() => true), this.come.then(() => false)])
  }
}
