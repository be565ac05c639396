/** How a replica's process comes to its end: it is told to, or it fails. */
export class Ending {
  /** Resolves when the process is told to stop, rejects with why the replica failed. */
  readonly come: Promise<void>
  /** Why the replica failed, before it was told to stop or while it did; null where it has not. */
  failure: Error | null = null
  #fail: (error: Error) => void = () => {}

  /** Listens to SIGTERM and SIGINT from now on, and to the end of a parent that holds a channel to this process. */
  constructor() {
    this.come = new Promise((resolve, reject) => {
      this.#fail = reject
      // Not `once`: a second signal must not end the process while it flushes.
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve())
      process.once('disconnect', () => resolve())
    })
    this.come.catch(() => {})
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
