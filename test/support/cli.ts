import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from './until.ts'

/** The package's command, as published. */
export const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface CliOptions {
  /** Added to the environment, which otherwise has no variable of this package. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Runs it in a process group of its own, like a command in a shell: see {@link Cli.signalGroup}. */
  readonly group?: boolean
}

export interface CliResult {
  /** Null if a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The environment without the variables of this package, some of which are for the tests. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('EPAXOS_')))
}

const running = new Set<Cli>()

/** A process of the command line, and its output. */
export class Cli {
  readonly process: ChildProcess
  stdout = ''
  stderr = ''
  readonly #end: Promise<void>

  /** Starts `epaxos` with the arguments, or another program if one is given. */
  constructor(
    args: readonly string[],
    { env = {}, cwd, group = false }: CliOptions = {},
    program: readonly string[] = [],
  ) {
    const line = program.length > 0 ? [...program, ...args] : [process.execPath, PROGRAM, ...args]
    if (line.includes(PROGRAM) && !existsSync(PROGRAM)) throw new Error('dist/ is missing: npm run build')
    const [file, ...rest] = line
    this.process = spawn(file as string, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...plainEnvironment(), ...env },
      detached: group,
      ...(cwd === undefined ? {} : { cwd }),
    })
    this.process.stdout?.setEncoding('utf8').on('data', (text) => {
      this.stdout += text
    })
    this.process.stderr?.setEncoding('utf8').on('data', (text) => {
      this.stderr += text
    })
    running.add(this)
    this.#end = new Promise((resolve) => {
      this.process.once('close', () => {
        running.delete(this)
        resolve()
      })
    })
  }

  get pid(): number {
    return this.process.pid as number
  }

  get ended(): boolean {
    return !running.has(this)
  }

  /** Its stderr line by line; all lines are JSON. */
  get logs(): Record<string, unknown>[] {
    return this.stderr
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** Resolves with the match as soon as stdout matches; rejects if the process ends first, or after the timeout. */
  async says(pattern: RegExp, timeoutMs = 20_000): Promise<RegExpExecArray> {
    await until(() => pattern.test(this.stdout) || this.ended, `stdout to match ${pattern}`, timeoutMs)
    const match = pattern.exec(this.stdout)
    if (match === null) throw new Error(`ended without saying ${pattern}:\n${this.stdout}\n${this.stderr}`)
    return match
  }

  async exited(): Promise<CliResult> {
    await this.#end
    return { code: this.process.exitCode, stdout: this.stdout, stderr: this.stderr }
  }

  /** Signals the process and, if it has a group of its own, the whole group. */
  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-this.pid, signal)
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<CliResult> {
    this.process.kill(signal)
    return await this.exited()
  }
}

/** Runs it to its end. */
export async function runCli(args: readonly string[], options?: CliOptions): Promise<CliResult> {
  return await new Cli(args, options).exited()
}

/** Ends whatever was started and has not ended. */
export async function killAllCli(): Promise<void> {
  await Promise.all([...running].map((cli) => cli.kill()))
}

export async function withFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'epaxos-cli-'))
  try {
    return await body(folder)
  } finally {
    await killAllCli()
    await rm(folder, { recursive: true, force: true })
  }
}
