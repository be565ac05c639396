import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Admission } from '../../src/node/admission.ts'

const test = suite('admission')

const TIMEOUT_MS = 2000
/** Commands of one batch, as `Budget` counts them. */
const BATCH_WORK = 1 << 20

interface Batch {
  readonly sinceMs: number
  proposedMs: number
}

/** A replica that executes one batch every `costMs`, `distanceMs` after it was proposed at the earliest. */
class Model {
  readonly admission = new Admission(TIMEOUT_MS)
  readonly waiting: Batch[] = []
  readonly running: Batch[] = []
  /** From the offer to the answer, of each batch that was executed. */
  readonly latencies: number[] = []
  refused = 0
  #freeMs = 0

  offer(nowMs: number): void {
    const oldestMs = this.waiting[0]?.sinceMs ?? nowMs
    if (this.admission.refuses(this.waiting.length * BATCH_WORK, oldestMs, nowMs)) this.refused++
    else this.waiting.push({ sinceMs: nowMs, proposedMs: 0 })
  }

  turn(nowMs: number, costMs: number, distanceMs: number): void {
    const { admission, waiting, running } = this
    while (waiting[0] !== undefined && nowMs - waiting[0].sinceMs > admission.longestWaitMs) {
      waiting.shift()
      this.refused++
    }
    while (waiting.length > 0 && admission.open) {
      const batch = waiting.shift() as Batch
      batch.proposedMs = nowMs
      admission.proposed(BATCH_WORK)
      running.push(batch)
    }
    while (running[0] !== undefined) {
      const endMs = Math.max(this.#freeMs, running[0].proposedMs + distanceMs) + costMs
      if (endMs > nowMs) return
      this.#freeMs = endMs
      const { sinceMs, proposedMs } = running.shift() as Batch
      admission.executed(BATCH_WORK, proposedMs, nowMs)
      this.latencies.push(nowMs - sinceMs)
    }
  }
}

for (const [costMs, distanceMs] of [
  [2, 5],
  [20, 5],
  [100, 5],
  [5, 200],
] as const) {
  test(`10 times the capacity, ${costMs} ms a batch, ${distanceMs} ms to commit: what is taken is done in time`, () => {
    const model = new Model()
    const durationMs = 30_000
    let offered = 0
    for (let nowMs = 0; nowMs < durationMs; nowMs += 1) {
      for (; offered < (nowMs * 10) / costMs; offered++) model.offer(nowMs)
      model.turn(nowMs, costMs, distanceMs)
    }
    const capacity = durationMs / costMs
    const inTime = model.latencies.filter((ms) => ms < TIMEOUT_MS).length
    assert.ok(inTime > 0.9 * capacity, `${inTime} of ${capacity} are done in time`)
    assert.is(inTime, model.latencies.length, 'nothing is executed that its client has given up')
    assert.ok(model.refused > 5 * capacity, `${model.refused} are refused`)
  })
}

test('a burst on an idle replica is taken, and bounded work is in flight', () => {
  const admission = new Admission(TIMEOUT_MS)
  for (let i = 0; i < 4; i++) assert.not.ok(admission.refuses(i * BATCH_WORK, 0, 0))
  let proposed = 0
  for (; admission.open; proposed++) admission.proposed(BATCH_WORK)
  assert.is(proposed, 8)
})

test('without a load, nothing grows: only flights that fill the limit raise it', () => {
  const admission = new Admission(TIMEOUT_MS)
  for (let i = 0; i < 1000; i++) {
    admission.proposed(BATCH_WORK)
    admission.executed(BATCH_WORK, i, i + 1)
  }
  let proposed = 0
  for (; admission.open; proposed++) admission.proposed(BATCH_WORK)
  assert.is(proposed, 8)
})

test.run()
