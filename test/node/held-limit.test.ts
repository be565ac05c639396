import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpaxosError } from '../../src/errors.ts'
import { type Held, HeldLimit } from '../../src/node/held-limit.ts'
import { SILENT } from '../../src/node/logger.ts'
import { SimulatedProcess } from '../simulator/process.ts'
import { VirtualTime } from '../simulator/time.ts'

const test = suite('limit of what is kept for members that stay away')

/** The limit of 1000 bytes at a replica that keeps what `held` says. */
class Subject {
  held: Held = { bytes: 0, by: null }
  ready = true
  refusal: Error | null = null
  readonly removed: number[] = []
  readonly time = new VirtualTime()
  readonly limit: HeldLimit

  constructor(limitBytes = 1000) {
    this.limit = new HeldLimit({
      ...{ limitBytes, clock: new SimulatedProcess(this.time, { rate: 1, turnMs: 0 }), logger: SILENT },
      held: () => this.held,
      isReady: () => this.ready,
      remove: async (id) => {
        this.removed.push(id)
        if (this.refusal !== null) throw this.refusal
      },
    })
    this.time.unsettled = 1
    this.limit.start()
  }

  async run(ms: number): Promise<void> {
    await this.time.run(this.time.now + ms, () => false)
  }
}

test('a member for which too much is kept for some seconds is removed', async () => {
  const subject = new Subject()
  subject.held = { bytes: 1000, by: 2 }
  await subject.run(20_000)
  assert.equal(subject.removed, [])
  subject.held = { bytes: 1001, by: 2 }
  await subject.run(4500)
  assert.equal(subject.removed, [])
  await subject.run(3000)
  assert.equal(subject.removed, [2])
})

test('who has just come back begins anew; a replica that is not ready removes nobody', async () => {
  const subject = new Subject()
  for (let round = 0; round < 10; round++) {
    subject.held = { bytes: 2000, by: round % 2 }
    await subject.run(4000)
    subject.held = { bytes: 0, by: null }
    await subject.run(1100)
  }
  subject.ready = false
  subject.held = { bytes: 2000, by: 2 }
  await subject.run(20_000)
  assert.equal(subject.removed, [])
})

test('a removal that is refused is tried again after a minute', async () => {
  const subject = new Subject()
  subject.refusal = new EpaxosError('no_quorum', 'too few are up')
  subject.held = { bytes: 2000, by: 2 }
  await subject.run(30_000)
  assert.equal(subject.removed, [2])
  await subject.run(60_000)
  assert.equal(subject.removed, [2, 2])
})

test('0 is no limit, and after the end nothing is removed', async () => {
  const never = new Subject(0)
  never.held = { bytes: Number.MAX_SAFE_INTEGER, by: 1 }
  await never.run(20_000)
  const ended = new Subject()
  ended.held = never.held
  ended.limit.stop()
  await ended.run(20_000)
  assert.equal([never.removed, ended.removed], [[], []])
})

test.run()
