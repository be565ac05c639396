import { epochStartOf } from '../../src/node/epoch-start.ts'
import type { Membership } from '../../src/protocol/membership.ts'
import type { CheckpointHeader, CheckpointStore } from '../../src/storage/checkpoints.ts'

/** Told of what one life does with its checkpoints. */
export interface StoreWatch {
  begun(header: CheckpointHeader): void
  /** It is whole and synced. `members`: those that it names; null in epoch 0. */
  finished(header: CheckpointHeader, members: Membership | null): void
  abandoned(): void
  /** The first bytes of a peer's checkpoint are here. */
  receives(): void
}

/** Reports what happens in the store. */
export function watchStore(store: CheckpointStore, watch: StoreWatch): void {
  const begin = store.begin.bind(store)
  const receive = store.receive.bind(store)
  store.begin = (header) => {
    const writer = begin(header)
    const finish = writer.finish.bind(writer)
    const abandon = writer.abandon.bind(writer)
    writer.finish = async (journal) => {
      await finish(journal)
      watch.finished(header, membersOf(store))
    }
    writer.abandon = () => {
      watch.abandoned()
      return abandon()
    }
    watch.begun(header)
    return writer
  }
  store.receive = (origin, seal) => {
    watch.receives()
    return receive(origin, seal)
  }
}

/** Those that the newest checkpoint names; null for epoch 0, or if there is none. */
function membersOf(store: CheckpointStore): Membership | null {
  const reader = store.latest()
  if (reader === null) return null
  try {
    return epochStartOf(reader)?.members ?? null
  } finally {
    reader.close()
  }
}
