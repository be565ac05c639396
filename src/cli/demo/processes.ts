import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { childEnvironment, commandOf } from '../cluster/children.ts'
import type { FromReplica, ToReplica } from './messages.ts'

export interface ProcessOptions {
  readonly id: number
  readonly peers: readonly string[]
  /** Holds all data directories and transcripts. */
  readonly folder: string
  readonly durability: string
  readonly engine: string
  readonly answered: (session: string, number: number, problem: string | null) => void
}

type Report = Extract<FromReplica, { type: 'report' }>

/** One of the three processes of the demo, which can be killed and started again. */
export class DemoProcess {
  readonly id: number
  readonly transcript: string
  readonly #options: ProcessOptions
  #child: ChildProcess | null = null
  #heard: (message: FromReplica) => void = () => {}

  constructor(options: ProcessOptions) {
    this.id = options.id
    this.#options = options
    this.transcript = join(options.folder, `transcript-${options.id}`)
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** Resolves when the replica accepts proposals; rejects if it ends first. */
  start(): Promise<void> {
    const { id, peers, folder, durability, engine, answered } = this.#options
    const where = ['--id', String(id), '--peers', peers.join(','), '--data', join(folder, String(id))]
    const how = ['--transcript', this.transcript, '--durability', durability, '--engine', engine]
    const [program, ...args] = commandOf(['demo-replica', ...where, ...how]) as [string, ...string[]]
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: childEnvironment(undefined),
    })
    this.#child = child
    return new Promise((resolve, reject) => {
      child.on('message', (message: FromReplica) => {
        if (message.type === 'ready') resolve()
        else if (message.type === 'answered') answered(message.session, message.number, message.problem)
        else this.#heard(message)
      })
      // Messages still go to a killed process for a short time.
      child.on('error', reject)
      child.once('exit', (code, signal) => reject(new Error(`replica ${id} ended (${signal ?? `exit code ${code}`})`)))
    })
  }

  say(message: ToReplica): void {
    if (this.#child?.connected) this.#child.send(message, () => {})
  }

  async report(): Promise<Report> {
    return await new Promise((resolve, reject) => {
      this.#child?.once('exit', () => reject(new Error(`replica ${this.id} has ended`)))
      this.#heard = (message) => message.type === 'report' && resolve(message)
      this.say({ type: 'report' })
    })
  }

  /** Resolves when the process is gone. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill(signal)
    await gone
  }
}
