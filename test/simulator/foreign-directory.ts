import { encodeRecords } from '../../src/codec/records.ts'
import { type MemberRecord, RecordType } from '../../src/protocol/records.ts'
import { MemoryDisk } from '../../src/storage/memory.ts'
import { MemoryCheckpoints } from '../../src/storage/memory-checkpoints.ts'
import { Directory } from './directory.ts'
import { bytesOf } from './life.ts'
import { stream } from './options.ts'
import type { World } from './world.ts'

/** The directory of a member of another cluster, which is founded. */
export function foreignDirectory(world: World, row: number, number: number): Directory {
  const { replicas, seed } = world.options
  const random = stream(seed, `foreign ${row} ${number}`)
  const records: MemberRecord[] = [{ type: RecordType.start, number: 1, nonce: bytesOf(random) }]
  for (let peer = 0; peer < replicas; peer++) {
    if (peer === row) continue
    const start = { number: 1, nonce: bytesOf(random) }
    records.push({ type: RecordType.peer, id: peer, incarnation: bytesOf(random), start, heard: 1 })
    records.push({ type: RecordType.met, id: peer })
  }
  return new Directory(bytesOf(random), replicas, (directory) => {
    const schedule = (written: () => void) => world.time.after(1, () => directory().life?.process.run(written))
    const disk = new MemoryDisk({ schedule })
    disk.open().append(encodeRecords(records))
    disk.sync()
    disk.crash()
    return { disk, checkpoints: new MemoryCheckpoints({ schedule }) }
  })
}
