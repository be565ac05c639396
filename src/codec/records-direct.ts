import { Command, Mode } from '../protocol/messages.ts'
import { type AccRecord, type ComRecord, type JournalRecord, type PreRecord, RecordType } from '../protocol/records.ts'
import { journalLayout } from './generated/journal/layout.ts'
import type { Reader } from './reader.ts'
import { shape } from './shape.ts'
import { batchWords, vectorWords, type Writer } from './writer.ts'

/** PRE, ACC and COM, written and read in their canonical layout (shape.ts). */

const PRE = shape(journalLayout, RecordType.pre, ['about', 'init_deps', 'deps', 'footprint', 'commands', 'mode', 'ok'])

/** ACC and COM have the same fields; each comes with or without its batch. */
const DECISION = ['about', 'ballot', 'deps', 'command'] as const
const DECISION_WITH_BATCH = ['about', 'ballot', 'deps', 'footprint', 'commands', 'command'] as const
const ACC = shape(journalLayout, RecordType.acc, DECISION_WITH_BATCH)
const ACC_BARE = shape(journalLayout, RecordType.acc, DECISION)
const COM = shape(journalLayout, RecordType.com, DECISION_WITH_BATCH)
const COM_BARE = shape(journalLayout, RecordType.com, DECISION)

/** Where the type of the union is in the canonical layout, in bytes from the start of the record. */
const TYPE_AT = 24

export function writePre(to: Writer, record: PreRecord): void {
  const { at, words } = PRE
  to.reserve(words + vectorWords(record.initDeps) + vectorWords(record.deps) + batchWords(record.batch))
  to.begin(PRE)
  to.instance(at.about, record)
  to.byte(at.mode, record.mode)
  to.byte(at.ok, record.ok ? 1 : 0)
  to.vector(at.init_deps, record.initDeps)
  to.vector(at.deps, record.deps)
  to.uint32s(at.footprint, record.batch.footprint)
  to.ubytes(at.commands, record.batch.commands)
}

export function writeDecision(to: Writer, record: AccRecord | ComRecord): void {
  const { batch, deps } = record
  const isAcc = record.type === RecordType.acc
  const shape = batch === null ? (isAcc ? ACC_BARE : COM_BARE) : isAcc ? ACC : COM
  const { at, words } = shape
  to.reserve(words + vectorWords(deps) + (batch === null ? 0 : batchWords(batch)))
  to.begin(shape)
  to.instance(at.about, record)
  to.whole(at.ballot, record.ballot)
  to.byte(at.command, record.command)
  to.vector(at.deps, deps)
  if (batch === null) return
  to.uint32s(ACC.at.footprint, batch.footprint)
  to.ubytes(ACC.at.commands, batch.commands)
}

/** The record at `[start, end)`. Null if it is not a hot record in canonical layout, or breaks a rule. */
export function readDirect(from: Reader, start: number, end: number): JournalRecord | null {
  if (end - start <= TYPE_AT) return null
  switch (from.view.getUint8(start + TYPE_AT)) {
    case RecordType.pre:
      return readPre(from, start, end)
    case RecordType.acc:
      return readDecision(from, start, end, RecordType.acc)
    case RecordType.com:
      return readDecision(from, start, end, RecordType.com)
    default:
      return null
  }
}

function readPre(from: Reader, start: number, end: number): PreRecord | null {
  const { at } = PRE
  if (!from.begin(PRE, start, end)) return null
  from.require(from.byte(at.mode) === Mode.all)
  const record: PreRecord = {
    type: RecordType.pre,
    epoch: from.uint32(at.about),
    row: from.row(at.about + 1),
    slot: from.slot(at.about + 2),
    mode: Mode.all,
    ok: from.flag(at.ok),
    initDeps: from.vector(at.init_deps),
    deps: from.vector(at.deps),
    batch: from.batch(at.footprint, at.commands),
  }
  return from.complete ? record : null
}

function readDecision<Type extends 2 | 5>(from: Reader, start: number, end: number, type: Type) {
  const isAcc = type === RecordType.acc
  const hasBatch = from.begin(isAcc ? ACC : COM, start, end)
  if (!hasBatch && !from.begin(isAcc ? ACC_BARE : COM_BARE, start, end)) return null
  const { at } = hasBatch ? ACC : ACC_BARE
  const command = from.byte(at.command) === Command.batch ? Command.batch : Command.noop
  from.require(command === from.byte(at.command) && (command === Command.batch || !hasBatch))
  const record = {
    type,
    epoch: from.uint32(at.about),
    row: from.row(at.about + 1),
    slot: from.slot(at.about + 2),
    ballot: from.whole(at.ballot),
    command,
    deps: from.vector(at.deps),
    batch: hasBatch ? from.batch(ACC.at.footprint, ACC.at.commands) : null,
  }
  return from.complete ? record : null
}
