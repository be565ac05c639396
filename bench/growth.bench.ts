/**
 * Whether memory and disk level off: three replicas in one process, on virtual time, with disks in memory, take
 * `BENCH_RATE` puts a second (5,000) over `BENCH_KEYS` keys (100,000) for `BENCH_MINUTES` minutes (60). Prints what
 * they hold after each minute. In every tenth minute replica 1 is killed; what its restart takes is real CPU time.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { encodeGroup } from '../src/execution/groups.ts'
import { putCommand } from '../src/machine/commands.ts'
import { KeyValueStore } from '../src/machine/key-value.ts'
import { SILENT } from '../src/node/logger.ts'
import { Seat } from '../src/node/seat.ts'
import { MemoryDisk } from '../src/storage/memory.ts'
import { MemoryCheckpoints } from '../src/storage/memory-checkpoints.ts'
import { MemoryNetwork, MemoryTransport } from '../src/transport/memory.ts'
import { SimulatedProcess } from '../test/simulator/process.ts'
import { VirtualTime } from '../test/simulator/time.ts'
import { wasmEngine } from '../test/support/engine-makers.ts'
import { memberAddress, members } from '../test/support/members.ts'

const RATE = Number(process.env.BENCH_RATE ?? 5000)
const KEYS = Number(process.env.BENCH_KEYS ?? 100_000)
const MINUTES = Number(process.env.BENCH_MINUTES ?? 60)
const VALUE_BYTES = 100
const REPLICAS = 3
/** Between two groups of puts. */
const STEP_MS = 10
const WRITE_MS = 1
const TURN_MS = 0.05
const RESTART_EVERY_MINUTES = 10

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const MIB = 2 ** 20

const time = new VirtualTime()
const network = new MemoryNetwork({ schedule: (delayMs, action) => time.after(delayMs, action, true) })

/** A replica over its lives. */
class Subject {
  readonly disk: MemoryDisk
  readonly checkpoints: MemoryCheckpoints
  member!: Seat
  #process!: SimulatedProcess
  #transport!: MemoryTransport
  readonly #id: number
  #starts = 0

  constructor(id: number) {
    this.#id = id
    this.disk = new MemoryDisk({ schedule: (written) => time.after(WRITE_MS, written, true) })
    this.checkpoints = new MemoryCheckpoints({ schedule: (written) => time.after(WRITE_MS, written, true) })
  }

  start(): void {
    this.#process = new SimulatedProcess(time, { rate: 1, turnMs: TURN_MS })
    const identity = {
      ...{ cluster: 'growth', members: members(REPLICAS), id: this.#id },
      ...{ address: memberAddress(this.#id), clientUrl: '' },
      incarnation: new Uint8Array(16).fill(this.#id + 1),
    }
    this.#transport = new MemoryTransport(network, { identity })
    this.member = new Seat({
      ...{ identity, startNonce: new Uint8Array(16).fill(++this.#starts), clock: this.#process, logger: SILENT },
      ...{ engine: wasmEngine.make(REPLICAS), machine: new KeyValueStore(), random: Math.random },
      ...{ journal: this.disk.open(), checkpoints: this.checkpoints.open(), transport: this.#transport },
      ...{ requestTimeoutMs: 10_000 },
      failed: (error) => {
        throw error
      },
    })
    this.member.start().catch((error) => {
      throw error
    })
  }

  kill(): void {
    this.#process.end()
    this.disk.crash()
    this.checkpoints.crash()
    void this.#transport.close()
  }

  put(group: Uint8Array): void {
    this.#process.run(() => this.member.read(group, 'linearizable', () => done++, ''))
  }
}

let done = 0
const subjects = Array.from({ length: REPLICAS }, (_, id) => new Subject(id))
for (const subject of subjects) subject.start()
await time.run(10_000, areReady)

const value = new Uint8Array(VALUE_BYTES)
const perStep = (RATE * STEP_MS) / 1000
const startedAt = time.now
let turn = 0
const restarts: number[] = []
console.log('minute  puts  held  journal MiB  checkpoints MiB  JavaScript MiB  buffers and WebAssembly MiB')
for (let minute = 1; minute <= MINUTES; minute++) {
  for (const end = startedAt + minute * 60_000; time.now < end; await time.run(time.now + STEP_MS)) {
    const commands = Array.from({ length: perStep }, () => putCommand(`key ${Math.floor(Math.random() * KEYS)}`, value))
    subjects[turn++ % REPLICAS]?.put(encodeGroup(commands))
  }
  if (minute % RESTART_EVERY_MINUTES === 5) await restart(subjects[1] as Subject)
  report(minute)
}
console.log(`restarts, ms of CPU until ready: ${restarts.map(Math.round).join(', ')}`)

function areReady(): boolean {
  return subjects.every(({ member }) => member.notReady === null)
}

async function restart(subject: Subject): Promise<void> {
  subject.kill()
  const { user, system } = process.cpuUsage()
  subject.start()
  await time.run(time.now + 60_000, areReady)
  const after = process.cpuUsage()
  restarts.push((after.user + after.system - user - system) / 1000)
}

function report(minute: number): void {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  const [journal, checkpoints] = (['disk', 'checkpoints'] as const).map((what) =>
    Math.max(...subjects.map((subject) => subject[what].bytes)),
  ) as [number, number]
  const held = Math.max(...subjects.map(({ member }) => heldBy(member)))
  const onDisks = subjects.reduce((sum, subject) => sum + subject.disk.bytes + subject.checkpoints.bytes, 0)
  const columns = [minute, done * perStep, held]
  const sizes = [journal, checkpoints, heapUsed, external - onDisks].map((bytes) => (bytes / MIB).toFixed(1))
  console.log([...columns, ...sizes].join('  '))
}

/** Instances of all rows that a replica has not forgotten. */
function heldBy({ core }: Seat): number {
  return core.committed.reduce((sum, slot, row) => sum + slot - (core.dropped[row] as number), 0)
}
