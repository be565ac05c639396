/** How a replica's process comes to its end: it is told to, or it fails. */
export class Ending {
  /** Resolves when the process is told to stop, rejects with why the replica failed. */
  readonly come: Promise<void>
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
    this.#fail(error)
  }

  /** Resolves when the work is done or the end has come; rejects as either does. */
  async orDone(work: Promise<void>): Promise<void> {
    await Promise.race([work, this.come])
  }
}
