import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Status } from '../../node/status.ts'
import { Exit } from '../exit-codes.ts'
import { freePorts } from '../ports.ts'
import { complain } from '../process/complain.ts'
import { stopSignal, untilAborted } from '../process/stop.ts'
import type { Settings } from '../settings/flag.ts'
import type { demoFlags } from './flags.ts'
import { DemoProcess } from './processes.ts'
import { Proposer } from './proposer.ts'
import { faultsOf, sampleOf } from './transcripts.ts'

const REPLICAS = 3
const POLL_MS = 10
/** Fractions of the commands: when one replica is killed, and what is proposed before it is back. */
const BEFORE_KILL = 1 / 3
const BEFORE_RETURN = 2 / 3
/** The time for all replicas to execute what is committed, once nothing is proposed any more. */
const CATCH_UP_MS = 20_000
/** For the whole. */
const LIMIT_MS = 120_000

/** Runs the demonstration and prints its findings to stdout; resolves with the exit code. */
export async function runDemo(settings: Settings<typeof demoFlags>): Promise<number> {
  const { data } = settings
  const stop = stopSignal()
  const folder = data === undefined ? mkdtempSync(join(tmpdir(), 'epaxos-demo-')) : resolve(data)
  mkdirSync(folder, { recursive: true })
  const ports = await freePorts(REPLICAS)
  const proposers: Proposer[] = []
  const answered = (session: string, number: number, problem: string | null) =>
    proposers.find((proposer) => proposer.session === session)?.onAnswer(number, problem)
  const peers = ports.map((port) => `127.0.0.1:${port}`)
  const processes = ports.map((_, id) => new DemoProcess({ ...settings, id, peers, folder, answered }))
  const share = Math.ceil(settings.commands / REPLICAS)
  for (const process of processes) {
    proposers.push(new Proposer(`client ${process.id}`, share, settings.outstanding, process, BEFORE_RETURN))
  }
  try {
    const limit = new AbortController()
    const over = pause(LIMIT_MS, undefined, { signal: limit.signal, ref: false }).then(() => {
      throw new Error(`it did not end within ${LIMIT_MS / 1000} s`)
    })
    over.catch(() => {})
    const stopped = untilAborted(stop).then(() => null)
    const status = await Promise.race([perform(processes, proposers, settings.durability), over, stopped])
    limit.abort()
    if (status === null) return Exit.failed
    for (const process of processes) await process.end('SIGTERM')
    return judge(processes, proposers, status)
  } catch (error) {
    if (!stop.aborted) complain(`demo: ${(error as Error).message}`)
    return Exit.failed
  } finally {
    for (const process of processes) await process.end('SIGKILL')
    if (data === undefined) rmSync(folder, { recursive: true, force: true })
  }
}

/** Everything until all have executed everything; returns the reports of all replicas at that time. */
async function perform(
  processes: readonly DemoProcess[],
  proposers: readonly Proposer[],
  durability: string,
): Promise<Status[]> {
  await Promise.all(processes.map((process) => process.start()))
  say(`three replicas, pids ${processes.map(({ pid }) => pid).join(', ')}`)
  proposers.forEach((proposer, i) => {
    proposer.use(processes[i] as DemoProcess)
  })
  if (durability === 'fsync') await killAndRestart(processes, proposers)
  for (const proposer of proposers) proposer.allowAll()
  await Promise.all(proposers.map(({ done }) => done))
  return await allExecuted(
    processes,
    proposers.reduce((sum, { lines }) => sum + lines.length, 0),
  )
}

/** Kills the last replica; its client uses the first one until it is back. */
async function killAndRestart(processes: readonly DemoProcess[], proposers: readonly Proposer[]): Promise<void> {
  const victim = processes.at(-1) as DemoProcess
  const client = proposers.at(-1) as Proposer
  await answeredAtLeast(proposers, BEFORE_KILL)
  await victim.end('SIGKILL')
  say(`replica ${victim.id} killed after ${answeredOf(proposers)} answered commands`)
  client.use(processes[0] as DemoProcess)
  await victim.start()
  say(`replica ${victim.id} is back, pid ${victim.pid}, after ${answeredOf(proposers)} answered commands`)
  client.use(victim)
}

function answeredOf(proposers: readonly Proposer[]): number {
  return proposers.reduce((sum, { answered }) => sum + answered, 0)
}

async function answeredAtLeast(proposers: readonly Proposer[], part: number): Promise<void> {
  const all = proposers.reduce((sum, { lines }) => sum + lines.length, 0)
  while (answeredOf(proposers) < all * part) await pause(POLL_MS)
}

async function allExecuted(processes: readonly DemoProcess[], lines: number): Promise<Status[]> {
  for (const deadline = performance.now() + CATCH_UP_MS; ; await pause(POLL_MS)) {
    const reports = await Promise.all(processes.map((process) => process.report()))
    if (reports.every((report) => report.lines >= lines)) return reports.map(({ status }) => status)
    if (performance.now() < deadline) continue
    throw new Error(`executed ${reports.map((report) => report.lines).join(', ')} of ${lines} lines`)
  }
}

function judge(processes: readonly DemoProcess[], proposers: readonly Proposer[], status: readonly Status[]): number {
  const transcripts = processes.map(({ transcript }) => readFileSync(transcript))
  const expected = proposers.flatMap(({ lines }) => lines)
  const faults = faultsOf(transcripts, expected)
  say('', 'a piece of the transcript:', ...sampleOf(transcripts[0] as Buffer).map((line) => `  ${line}`), '')
  const total = (of: (status: Status) => number) => status.reduce((sum, one) => sum + of(one), 0)
  say(
    `commands                     ${expected.length}`,
    `components larger than one   ${Math.max(...status.map(({ counts }) => counts.cycles))}`,
    `fast path / slow path        ${total(({ counts }) => counts.fast)} / ${total(({ counts }) => counts.slow)}`,
    `recovered, of these no-ops   ${total(({ counts }) => counts.recovered)}, ${total(({ counts }) => counts.noop)}`,
    faults.length === 0 ? 'the three transcripts are equal, byte for byte, and nothing is missing' : 'FAILED:',
    ...faults.map((fault) => `  ${fault}`),
  )
  return faults.length === 0 ? Exit.done : Exit.failed
}

function say(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}
