import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { FORMAT_VERSION } from '../../src/codec/limits.ts'

/** Who owns the data directories of the tests. */
export const owner = { cluster: 'test', id: 1, replicas: 3, formatVersion: FORMAT_VERSION }

/** The value that a child appends under a number: the number determines its size and its bytes. */
export function testValue(number: number): Uint8Array {
  return new Uint8Array(number % 17 === 0 ? 6000 + number : 20 + (number % 300)).fill(number % 251)
}

/** A process of the tests, and its output. */
export class Child {
  readonly process: ChildProcess
  readonly lines: string[] = []
  readonly errors: string[] = []
  readonly #exit: Promise<unknown>
  #changed: () => void = () => {}
  #exited = false

  /** Runs `child.ts` with the arguments, under another program if one is named. */
  constructor(args: readonly string[], under: readonly string[] = []) {
    const command = [...under, process.execPath, '--import', 'tsx', fileURLToPath(new URL('child.ts', import.meta.url))]
    this.process = spawn(command[0] as string, [...command.slice(1), ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
    const { stdout, stderr } = this.process
    if (stdout) createInterface({ input: stdout }).on('line', (line) => this.#heard(this.lines, line))
    if (stderr) createInterface({ input: stderr }).on('line', (line) => this.#heard(this.errors, line))
    this.#exit = once(this.process, 'close').then(() => {
      this.#exited = true
      this.#changed()
    })
  }

  #heard(lines: string[], line: string): void {
    lines.push(line)
    this.#changed()
  }

  say(line: string): void {
    this.process.stdin?.write(`${line}\n`)
  }

  /** Resolves when the child has printed `count` lines; rejects if it exits first. */
  async said(count: number): Promise<string> {
    while (this.lines.length < count) {
      if (this.#exited) throw new Error(`The child exited: ${this.lines.join('\n')}\n${this.errors.join('\n')}`)
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
    return this.lines[count - 1] as string
  }

  /** Resolves with the exit code when the child has exited by itself; null if a signal ended it. */
  async exited(): Promise<number | null> {
    await this.#exit
    return this.process.exitCode
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.#exit
  }
}

/** Runs `body` with a new directory, and with children that are killed at the end whatever happens. */
export async function withDirectory(
  body: (directory: string, start: (args: readonly string[], under?: readonly string[]) => Child) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'epaxos-storage-'))
  const children: Child[] = []
  try {
    await body(directory, (args, under) => {
      const child = new Child(args, under)
      children.push(child)
      return child
    })
  } finally {
    await Promise.all(children.map((child) => child.kill()))
    await rm(directory, { recursive: true })
  }
}
