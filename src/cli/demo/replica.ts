import { closeSync, openSync, writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { CommandError } from '../../errors.ts'
import { PrintingMachine } from '../../machine/printing.ts'
import { Replica } from '../../node/replica.ts'
import { ReplicaExit, replicaExit } from '../exit-codes.ts'
import { Ending } from '../replica/ending.ts'
import type { Settings } from '../settings/flag.ts'
import type { demoReplicaFlags } from './flags.ts'
import type { FromReplica, ToReplica } from './messages.ts'

const READY_POLL_MS = 20

/**
 * One replica of the printing machine: proposes the lines that its parent sends over the channel, and writes what it
 * executes to a file.
 */
export async function runDemoReplica(settings: Settings<typeof demoReplicaFlags>): Promise<number> {
  const { id, peers, data, durability, engine, transcript } = settings
  const ending = new Ending()
  const file = openSync(transcript, 'w')
  const machine = new PrintingMachine((line) => writeSync(file, `${line}\n`))
  try {
    const onFailure = (error: Error) => ending.fail(error)
    const replica = await Replica.open({ id, peers: peers.split(','), data, durability, engine, machine, onFailure })
    process.on('message', (message: ToReplica) => {
      if (message.type === 'propose') void propose(replica, message)
      else say({ type: 'report', lines: machine.lines.length, status: replica.status() })
    })
    try {
      if (await ending.after(untilReady(replica))) {
        say({ type: 'ready' })
        await ending.come
      }
    } finally {
      await replica.close()
    }
    return ReplicaExit.stopped
  } catch (error) {
    process.stderr.write(`replica ${id}: ${(error as Error).message}\n`)
    return replicaExit(error)
  } finally {
    closeSync(file)
    Ending.letGo()
  }
}

async function propose(replica: Replica, { session, number, acknowledged, line }: ToReplica & { type: 'propose' }) {
  let problem: string | null = null
  try {
    await replica.propose(new TextEncoder().encode(line), { session, first: number, acknowledged })
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    problem = error.message
  }
  say({ type: 'answered', session, number, problem })
}

async function untilReady(replica: Replica): Promise<void> {
  while (replica.notReady !== null) await pause(READY_POLL_MS)
}

function say(message: FromReplica): void {
  if (process.connected) process.send?.(message)
}
