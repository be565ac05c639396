import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Answer, Proposal, Question, Report } from './messages.ts'

const PROGRAM = fileURLToPath(new URL('replica.ts', import.meta.url))

type Unnumbered<T> = T extends unknown ? Omit<T, 'id'> : never

/** The process of a replica, which can be killed. */
export class LineProcess {
  /** Resolves when it accepts proposals; rejects if it ends first. */
  readonly ready: Promise<void>
  ended = false
  readonly #child: ChildProcess
  /** Questions without an answer yet, by number; null says that the process has ended. */
  readonly #open = new Map<number, (answer: Answer | null) => void>()
  #asked = 0

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, ['--import', 'tsx', PROGRAM, ...args], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.ready = new Promise((resolve, reject) => {
      this.#child.on('message', (answer: Answer) => {
        if (answer.type === 'ready') resolve()
        else this.#settle(answer.id, answer)
      })
      // A message to a killed process fails for a short time; its end is reported elsewhere.
      this.#child.on('error', reject)
      this.#child.once('exit', (code, signal) => {
        this.ended = true
        for (const id of this.#open.keys()) this.#settle(id, null)
        reject(new Error(`a replica ended (${signal ?? `exit code ${code}`})`))
      })
    })
    this.ready.catch(() => {})
  }

  /** The number of the line among those of its key; null if it is unknown. */
  async propose(proposal: Proposal): Promise<number | null> {
    const answer = await this.#ask({ type: 'propose', ...proposal })
    return answer?.type === 'proposed' ? answer.number : null
  }

  async report(): Promise<Report> {
    const answer = await this.#ask({ type: 'report' })
    if (answer?.type !== 'report') throw new Error('a replica has ended')
    return answer
  }

  /** kill -9; resolves when the process is gone. */
  async kill(): Promise<void> {
    if (this.ended) return
    const gone = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()))
    this.#child.kill('SIGKILL')
    await gone
  }

  #ask(question: Unnumbered<Question>): Promise<Answer | null> {
    return new Promise((resolve) => {
      if (!this.#child.connected) return resolve(null)
      const id = ++this.#asked
      this.#open.set(id, resolve)
      this.#child.send({ id, ...question }, () => {})
    })
  }

  #settle(id: number, answer: Answer | null): void {
    this.#open.get(id)?.(answer)
    this.#open.delete(id)
  }
}
