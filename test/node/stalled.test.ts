import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ReferenceEngine } from '../../src/engine/index.ts'
import { encodeGroup } from '../../src/execution/groups.ts'
import { putCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { SILENT } from '../../src/node/logger.ts'
import { Seat } from '../../src/node/seat.ts'
import { MemoryDisk } from '../../src/storage/memory.ts'
import { MemoryNetwork, MemoryTransport } from '../../src/transport/memory.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { SimulatedProcess } from '../simulator/process.ts'
import { VirtualTime } from '../simulator/time.ts'
import { identityOf } from '../transport/observer.ts'

const test = suite('a process that was stopped')

const REPLICAS = 3

/** Long enough for PreAccept to leave, and too short for an answer to arrive. */
const MID_FLIGHT_MS = 7
const HOP_MS = 5

/** Frames wait for a process that is stopped, as they do in its sockets. */
function waiting(inner: Transport, process: SimulatedProcess): Transport {
  const drops = new Array<number>(REPLICAS).fill(0)
  return {
    start: (handlers) =>
      inner.start({
        ...handlers,
        frame: (from, bytes) => {
          const [kept, drop] = [bytes.slice(), drops[from]]
          process.run(() => {
            if (drops[from] === drop) handlers.frame(from, kept)
          })
          return true
        },
      }),
    send: (peer, frame) => inner.send(peer, frame),
    buffered: (peer) => inner.buffered(peer),
    become: (identity, peers) => inner.become(identity, peers),
    dial: (peer, address, as) => inner.dial(peer, address, as),
    probe: (address, id) => inner.probe(address, id),
    drop: (peer) => {
      drops[peer] = (drops[peer] as number) + 1
      inner.drop(peer)
    },
    close: () => inner.close(),
  }
}

async function outcomesAfter(stoppedMs: number): Promise<string[]> {
  const time = new VirtualTime()
  const network = new MemoryNetwork({ schedule: (ms, action) => time.after(ms + HOP_MS, action) })
  const processes = Array.from({ length: REPLICAS }, () => new SimulatedProcess(time, { rate: 1, turnMs: 0.1 }))
  const members = processes.map((clock, id) => {
    const identity = identityOf(id, REPLICAS)
    const disk = new MemoryDisk({ schedule: (written) => time.after(0.1, () => clock.run(written)) })
    return new Seat({
      identity,
      startNonce: new Uint8Array(16).fill(id),
      engine: new ReferenceEngine(REPLICAS),
      machine: new KeyValueStore(),
      journal: disk.open(),
      transport: waiting(new MemoryTransport(network, { identity }), clock),
      clock,
      random: () => 0.5,
      logger: SILENT,
      requestTimeoutMs: 60_000,
      failed: assert.unreachable,
    })
  })
  const wait = async (ms: number) => {
    for (const end = time.now + ms; time.now < end; ) {
      await new Promise((resolve) => setImmediate(resolve))
      await time.run(Math.min(end, time.now + 1))
    }
  }
  const [zero] = members as [Seat]
  const outcomes: string[] = []
  const put = () => zero.submit(encodeGroup([putCommand('k', 'v')]), ({ outcome }) => outcomes.push(outcome))

  await Promise.all([...members.map((member) => member.start()), wait(2000)])
  put()
  await wait(MID_FLIGHT_MS)
  assert.equal(outcomes, [], 'it is in flight')
  processes[0]?.pause()
  await wait(stoppedMs)
  processes[0]?.resume()
  await wait(2000)
  put()
  await wait(500)
  await Promise.all([...members.map((member) => member.close()), wait(1000)])
  return outcomes
}

test('does not believe what its peers said before, nor answer what it began: a copy may run in its place', async () => {
  assert.equal(await outcomesAfter(1500), ['unknown', 'done'])
})

test('goes on as if nothing had happened after a short stop', async () => {
  assert.equal(await outcomesAfter(300), ['done', 'done'])
})

test.run()
