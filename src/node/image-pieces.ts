import { encodeImage } from '../codec/image.ts'
import { encodeRecords } from '../codec/records.ts'
import type { ExecutionImage } from '../execution/image.ts'
import type { Image } from '../protocol/image.ts'
import type { MemberRecord } from '../protocol/records.ts'
import { EPOCH_SECTION, type EpochStart, encodeEpochStart } from './epoch-start.ts'

/** Some bytes of a section of a checkpoint. */
export type Piece = readonly [section: string, bytes: Uint8Array]

/** All of a checkpoint in order, which may be taken over many turns. */
export function imagePieces(
  epoch: EpochStart | null,
  members: readonly MemberRecord[],
  image: Image,
  execution: ExecutionImage,
): Iterator<Piece> {
  const membersBytes = encodeRecords(members)
  function* pieces(): Generator<Piece> {
    if (epoch !== null) yield [EPOCH_SECTION, encodeEpochStart(epoch)]
    yield ['members', membersBytes]
    for (const chunk of encodeImage(image)) yield ['core', chunk]
    for (const { name, chunks } of execution.sections) for (const chunk of chunks) yield [name, chunk]
  }
  return pieces()
}
