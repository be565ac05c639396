import { type ChildProcess, spawn } from 'node:child_process'
import type { Environment } from '../settings/read.ts'
import type { Member } from './plan.ts'

/** How long a replica may take to stop, beyond its request timeout, before it is killed. */
const STOP_GRACE_MS = 5000

/** The replicas of a cluster as children of this process: they stop when it ends. */
export class Children {
  readonly #processes: ChildProcess[]
  readonly #ends: Promise<void>[]

  /** Starts them all; calls `ended` for each that ends. */
  constructor(
    members: readonly Member[],
    environment: Environment,
    ended: (member: Member, child: ChildProcess) => void,
  ) {
    this.#processes = members.map(({ args }) => {
      const [program, ...rest] = commandOf(args) as [string, ...string[]]
      // The channel lets a child notice that this process is gone.
      return spawn(program, rest, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env: environment })
    })
    this.#ends = this.#processes.map((child, i) => untilEnd(child).then(() => ended(members[i] as Member, child)))
  }

  /** By replica. */
  get pids(): readonly number[] {
    return this.#processes.map(({ pid }) => pid ?? 0)
  }

  /** Resolves when no replica runs any more. */
  async allEnded(): Promise<void> {
    await Promise.all(this.#ends)
  }

  /** Asks all to stop, and kills those that do not. Resolves with whether none had to be killed. */
  async stop(requestTimeoutMs: number): Promise<boolean> {
    const running = this.#processes.filter((child) => child.exitCode === null && child.signalCode === null)
    for (const child of running) child.kill('SIGTERM')
    let isClean = true
    const killer = setTimeout(() => {
      isClean = false
      for (const child of running) child.kill('SIGKILL')
    }, requestTimeoutMs + STOP_GRACE_MS)
    await this.allEnded()
    clearTimeout(killer)
    return isClean
  }
}

/** The whole command line that runs this program with the arguments. */
export function commandOf(args: readonly string[]): string[] {
  return [process.execPath, ...process.execArgv, process.argv[1] as string, ...args]
}

/** As a shell reads it. */
export function quoted(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ')
}

/** The environment of the replicas: their command lines hold all settings, except the secret. */
export function childEnvironment(secret: string | undefined): Environment {
  const rest = Object.entries(process.env).filter(([name]) => !name.startsWith('EPAXOS_'))
  return { ...Object.fromEntries(rest), ...(secret === undefined ? {} : { EPAXOS_SECRET: secret }) }
}

function untilEnd(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
}
