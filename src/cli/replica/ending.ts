import { askToStop, stopSignal, untilAborted } from '../process/stop.ts'

/** How a replica's process comes to its end: it is told to, or it fails. */
export class Ending {
  /** Resolves when the process is told to stop, rejects with why the replica failed. */
  readonly come: Promise<void>
  /** Why the replica failed, before it was told to stop or while it did; null where it has not. */
  failure: Error | null = null
  #fail: (error: Error) => void = () => {}

  /** From now on the process ends in order: when it is asked to stop, or a parent that holds a channel to it has ended. */
  constructor() {
    const failed = new Promise<never>((_, reject) => {
      this.#fail = reject
    })
    this.come = Promise.race([untilAborted(stopSignal()), failed])
    this.come.catch(() => {})
    process.once('disconnect', askToStop)
    // The parent was faster.
    if (process.send !== undefined && !process.connected) askToStop()
  }

  /** The process has nothing more to do: a channel to its parent does not keep it. */
  static letGo(): void {
    if (process.connected) process.disconnect()
  }

  fail(error: Error): void {
    this.failure ??= error
    this.#fail(error)
  }

  /** Resolves with whether the work was done before the end came; rejects as either does. */
  async after(work: Promise<void>): Promise<boolean> {
    return await Promise.race([work.then(() => true), this.come.then(() => false)])
  }
}
