import { encodeImage } from '../../src/codec/image.ts'
import { FORMAT_VERSION } from '../../src/codec/limits.ts'
import { encodeRecords } from '../../src/codec/records.ts'
import { imageOf } from '../../src/execution/image.ts'
import { SessionTable } from '../../src/execution/sessions.ts'
import { EPOCH_SECTION, encodeEpochStart } from '../../src/node/epoch-start.ts'
import { imageOfNothing, nothingExecuted } from '../../src/protocol/image.ts'
import { type Membership, membership } from '../../src/protocol/membership.ts'
import { RecordType } from '../../src/protocol/records.ts'
import { MemoryDisk } from '../../src/storage/memory.ts'
import { MemoryCheckpoints } from '../../src/storage/memory-checkpoints.ts'
import { ListMachine } from '../simulator/list-machine.ts'
import { bytesOf, CLUSTER, type Disks, Place } from './place.ts'
import type { World } from './world.ts'

/** The epoch in which a replica of another cluster is: later than any here. */
const FOREIGN_EPOCH = 1000

/** What a crash would leave of the directory now; {@link copyOf} makes a replica of it. */
export function snapshotOf({ disk, checkpoints }: Place): Disks {
  return { disk: disk.copy(), checkpoints: checkpoints.copy() }
}

/** A replica on an earlier copy of the directory of `place`, which listens there, or beside it. */
export function copyOf(world: World, place: Place, snapshot: Disks, address: string): Place {
  return new Place(world, {
    ...{ address, founder: place.directory.founder, incarnation: place.incarnation, isStranger: true },
    disks: (schedule) => ({
      disk: snapshot.disk.copy({ schedule }),
      checkpoints: snapshot.checkpoints.copy({ schedule }),
    }),
  })
}

/** A replica that comes back with an empty directory: a founder under its id, or one that joined. */
export function wiped(world: World, { address, directory: { founder } }: Place): Place {
  return new Place(world, { address, founder, isStranger: true })
}

/**
 * A member of another cluster, in a later epoch, whose members are at the addresses of this one: it dials them all. Its
 * own id is one that nobody here has.
 */
export async function foreigner(world: World, number: number): Promise<Place> {
  const address = `foreign-${number}:7100`
  const incarnation = bytesOf(address)
  const id = 5000 + number
  const others = world.places.map(({ address: at }, i) => ({
    id: i,
    address: at,
    incarnation: bytesOf(`not ${at} ${i}`),
  }))
  const known = others.filter(({ address: at }, i) => others.findIndex((one) => one.address === at) === i).slice(-6)
  const members = [...known, { id, address, incarnation }]
  const present = membership(FOREIGN_EPOCH, members)
  const previous = membership(FOREIGN_EPOCH - 1, members)
  const checkpoints = new MemoryCheckpoints()
  await beginIn(checkpoints, id, present, previous)
  return new Place(world, {
    ...{ address, founder: null, incarnation, isStranger: true },
    disks: (schedule) => ({ disk: new MemoryDisk({ schedule }), checkpoints: checkpoints.copy({ schedule }) }),
  })
}

/** Writes the checkpoint with which the epoch begins. */
async function beginIn(checkpoints: MemoryCheckpoints, id: number, members: Membership, previous: Membership) {
  const { epoch, quorums } = members
  const nothing = nothingExecuted(epoch, quorums.replicas)
  const { executed, beyond } = nothing
  const store = checkpoints.open()
  const writer = store.begin({
    formatVersion: FORMAT_VERSION,
    cluster: CLUSTER,
    id,
    epoch,
    journal: 0,
    executed,
    beyond,
  })
  await writer.append(EPOCH_SECTION, encodeEpochStart({ clusterId: 'f0'.repeat(16), members, previous }))
  const start = { type: RecordType.start, number: 1, nonce: bytesOf(`foreign ${id}`) } as const
  await writer.append('members', encodeRecords([start]))
  for (const chunk of encodeImage(imageOfNothing(nothing))) await writer.append('core', chunk)
  for (const { name, chunks } of imageOf(new ListMachine(), new SessionTable().capture()).sections) {
    for (const chunk of chunks) await writer.append(name, chunk)
  }
  await writer.finish()
  await store.close()
}
