import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { FileResult } from './run-file.ts'

const RUN_FILE = fileURLToPath(new URL('run-file.ts', import.meta.url))

/** What a test file started (the compiler, for instance) may take this long to end after it. */
const GRACE_MS = 2000

/** The result of one test file. */
export interface Outcome extends Pick<FileResult, 'passed' | 'failed' | 'skipped' | 'volumes'> {
  readonly file: string
  /** What is wrong besides its failed tests. */
  readonly problems: readonly string[]
  readonly output: string
  readonly durationMs: number
}

/** The process groups of the files that run. */
const groups = new Set<number>()

/** Runs the file in a process group of its own; no process of the group is left when it resolves. */
export async function runFile(file: string): Promise<Outcome> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, ['--import', 'tsx', RUN_FILE, file], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, FORCE_COLOR: '0' },
  })
  const group = child.pid as number
  groups.add(group)
  const results = text(child.stdio[3] as NodeJS.ReadableStream)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk) => {
      output += chunk
    })
  }
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.once('exit', (...end) => resolve(end)),
  )
  const leftBehind = await endGroup(group)
  groups.delete(group)
  const result = parse(await results)
  const problems =
    result === null ? [`ended before its last test (${signal ?? `exit code ${code}`})`] : problemsOf(result)
  if (result !== null && problems.length === 0 && result.failed === 0 && code !== 0) {
    problems.push(`ended with ${signal ?? `exit code ${code}`} after its last test`)
  }
  for (const command of leftBehind) problems.push(`left a process behind: ${command}`)
  const durationMs = performance.now() - startedAt
  return { passed: 0, failed: 0, skipped: 0, volumes: [], ...result, file, problems, output, durationMs }
}

/** Ends whatever runs. */
export function killAll(): void {
  for (const group of groups) killGroup(group)
}

function problemsOf({ passed, failed, skipped, open }: FileResult): string[] {
  const problems: string[] = []
  if (passed + failed + skipped === 0) problems.push('holds no test')
  if (open.length > 0) problems.push(`left open: ${open.join(', ')}`)
  return problems
}

/** Waits for the processes that are ending, kills the rest and returns their command lines. */
async function endGroup(group: number): Promise<string[]> {
  const deadline = performance.now() + GRACE_MS
  while (commandsOf(group).length > 0 && performance.now() < deadline) await pause(10)
  const commands = commandsOf(group)
  killGroup(group)
  return commands
}

function killGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL')
  } catch {
    // None of it is left.
  }
}

/** The command lines of the group's processes; none if the system has no /proc. */
function commandsOf(group: number): string[] {
  try {
    process.kill(-group, 0)
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => commandOf(pid, group) ?? [])
  } catch {
    return []
  }
}

/** Null for a process of another group, and for a zombie. */
function commandOf(pid: string, group: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, , processGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(processGroup) !== group || state === 'Z') return null
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return null
  }
}

/** Null if the file did not reach its end. */
function parse(line: string): FileResult | null {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}
