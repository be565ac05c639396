import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MemoryCheckpoints } from '../../src/storage/memory-checkpoints.ts'
import { freshSeed, Random } from '../support/random.ts'
import { checkpointCompliance, header, take } from './checkpoint-compliance.ts'
import { nextTurn, text } from './compliance.ts'

checkpointCompliance('memory', async () => {
  let disk = new MemoryCheckpoints({ schedule: (written) => setImmediate(written) })
  return {
    open: async () => disk.open(),
    count: () => disk.count,
    crash: async () => disk.crash(),
    damage: (random) => assert.ok(disk.damage(random.next)),
    breakDisk: (broken) => {
      disk.full = broken
    },
    remove: async () => {
      disk = new MemoryCheckpoints()
    },
  }
})

const memory = suite('memory checkpoints')

memory('a slow disk holds the writer up: it keeps a few groups in memory, whatever comes', async () => {
  const writes: (() => void)[] = []
  const disk = new MemoryCheckpoints({ schedule: (written) => writes.push(written) })
  const writer = disk.open().begin(header(1))
  let appended = 0
  const chunk = new Uint8Array(100_000)
  const filling = (async () => {
    for (; appended < 100; appended++) await writer.append('machine', chunk)
  })()
  for (let turn = 0; turn < 20; turn++) await nextTurn()
  const held = appended
  assert.ok(held > 5 && held < 25, `${held} chunks`)
  writes.shift()?.()
  for (let turn = 0; turn < 20; turn++) await nextTurn()
  assert.ok(appended > held && appended < held + 15, `${appended} chunks after ${held}`)
  while (appended < 100) {
    writes.shift()?.()
    await nextTurn()
  }
  await filling
})

memory('a crash while the seal is written leaves the checkpoint whole or not at all', async () => {
  const random = new Random(freshSeed())
  const seen = { none: 0, whole: 0 }
  for (let round = 0; round < 60; round++) {
    const writes: (() => void)[] = []
    const disk = new MemoryCheckpoints({ schedule: (written) => writes.push(written) })
    const writer = disk.open().begin(header(1))
    await writer.append('machine', text('x'))
    let finished = false
    void writer.finish().then(() => {
      finished = true
    })
    for (let step = random.below(4); step > 0; step--) {
      await nextTurn()
      writes.shift()?.()
      await nextTurn()
    }
    disk.crash(random.next)
    for (const written of writes) written()
    await nextTurn()
    const reader = disk.open().latest()
    assert.ok(reader !== null || !finished, 'what was reported is there')
    if (reader === null) seen.none++
    else seen.whole++
    if (reader !== null) assert.equal([...reader.chunks('machine')], [text('x')])
  }
  assert.ok(seen.none > 0 && seen.whole > 0, JSON.stringify(seen))
})

memory('a copy of a disk is another disk', async () => {
  const disk = new MemoryCheckpoints()
  const store = disk.open()
  await take(store, { machine: text('one') }, header(1))
  const copy = disk.copy()
  await take(store, { machine: text('two') }, header(2))
  assert.is(copy.open().latest()?.header.journal, 1)
  assert.is(disk.open().latest()?.header.journal, 2)
  assert.ok(disk.bytes > 0)
})

memory.run()
