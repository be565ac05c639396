import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MemoryDisk } from '../../src/storage/memory.ts'
import { freshSeed, Random } from '../support/random.ts'
import { hasCode, journalCompliance, text } from './compliance.ts'

journalCompliance(
  'memory disk',
  async () => {
    const disk = new MemoryDisk({ schedule: (written) => setImmediate(written) })
    return {
      open: async () => disk.open(),
      breakDisk: () => {
        disk.full = true
      },
      remove: async () => disk.crash(),
    }
  },
  { breaks: true },
)

const memory = suite('memory disk')

function contents(disk: MemoryDisk): string[] {
  const journal = disk.open()
  const found = [...journal.scan(1)].map(({ value }) => new TextDecoder().decode(value))
  disk.crash()
  return found
}

memory('a crash loses what was not synced, and nothing else', () => {
  const disk = new MemoryDisk()
  const journal = disk.open()
  let durable = 0
  journal.onDurable(
    (upTo) => {
      durable = upTo
    },
    () => {},
  )
  journal.append(text('one'))
  journal.append(text('two'))
  disk.sync()
  journal.append(text('three'))
  assert.is(durable, 2)
  assert.is(journal.last, 3)
  disk.crash()
  assert.equal(contents(disk), ['one', 'two'])
  assert.is(disk.open().append(text('another three')), 3)
})

memory('a crash in the middle of a write loses the write, which is never reported', () => {
  const writes: (() => void)[] = []
  const disk = new MemoryDisk({ schedule: (written) => writes.push(written) })
  const journal = disk.open()
  journal.onDurable(
    () => assert.unreachable('reported after the crash'),
    () => assert.unreachable('failed after the crash'),
  )
  journal.append(text('one'))
  disk.crash()
  assert.throws(() => journal.append(text('two')), hasCode('closed'))
  for (const written of writes) written()
  assert.equal(contents(disk), [])
})

memory('a write takes what waited when it started, and what comes meanwhile is lost with a crash', () => {
  const writes: (() => void)[] = []
  const disk = new MemoryDisk({ schedule: (written) => writes.push(written) })
  const journal = disk.open()
  journal.append(text('one'))
  journal.append(text('two'))
  journal.append(text('three'))
  writes.shift()?.()
  assert.is(writes.length, 1, 'the next write has started')
  journal.append(text('four'))
  disk.crash()
  assert.equal(contents(disk), ['one'])
})

memory('a crash may keep whole values that were not reported, and tear the next one', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const seen = { none: 0, kept: 0, torn: 0 }
  const written = ['one', 'two', 'three', 'four']
  for (let round = 0; round < 300; round++) {
    const disk = new MemoryDisk()
    const journal = disk.open()
    journal.append(text('one'))
    disk.sync()
    for (const value of written.slice(1)) journal.append(text(value))
    disk.crash({ kept: random.next, torn: random.next })
    const found = contents(disk)
    const whole = found.findIndex((value, i) => value !== written[i])
    assert.ok(found.length >= 1 && found[0] === 'one', `durable values stay, seed ${seed}`)
    assert.ok(whole === -1 || whole === found.length - 1, `only the last is torn, seed ${seed}: ${found}`)
    if (whole !== -1) seen.torn++
    else if (found.length > 1) seen.kept++
    if (found.length === 2 && whole !== -1) seen.none++
  }
  assert.ok(seen.none > 0 && seen.kept > 0 && seen.torn > 0, `${JSON.stringify(seen)}, seed ${seed}`)
})

memory('a failure told to come next comes once, and the disk is whole afterwards', () => {
  const disk = new MemoryDisk()
  const journal = disk.open()
  const failures: Error[] = []
  journal.onDurable(
    () => {},
    (error) => failures.push(error),
  )
  journal.append(text('one'))
  disk.sync()
  disk.failNext()
  journal.append(text('two'))
  disk.sync()
  assert.is(failures.length, 1)
  assert.throws(() => journal.append(text('three')), hasCode('storage'))
  disk.crash()
  assert.equal(contents(disk), ['one'])
  const again = disk.open()
  again.append(text('two again'))
  disk.sync()
  disk.crash()
  assert.equal(contents(disk), ['one', 'two again'])
})

memory('a value that is changed before it is durable is changed on the disk, as with LMDB', () => {
  const disk = new MemoryDisk()
  const journal = disk.open()
  const value = text('one')
  journal.append(value)
  value.fill(0x78)
  disk.sync()
  value.fill(0x79)
  disk.crash()
  assert.equal(contents(disk), ['xxx'])
})

memory('one disk is open once', async () => {
  const disk = new MemoryDisk()
  const journal = disk.open()
  assert.throws(() => disk.open(), hasCode('locked'))
  await journal.close()
  disk.open()
})

memory.run()
