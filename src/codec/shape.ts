import type { FieldLayout, Layout, TableLayout } from './layout.ts'

/**
 * The canonical layout of a hot message: one of the many valid flatbuffers for it, with every part at a known place, so
 * that it is written and recognized word by word instead of through builders and vtables. In 32-bit words:
 *
 * ```
 * root offset · identifier · vtable of the envelope (2) · envelope: vtable, body, type (3)
 * vtable of the body · body: vtable,                      ← `head`: always the same
 *   fields of whole words, then fields of single bytes    ← up to `words`
 * vectors, in the order of their fields, nothing between
 * ```
 */
export interface Shape<Name extends string = string> {
  readonly head: Uint32Array
  readonly words: number
  /** Where each field is, from the start of the message: in words, or in bytes for fields of one byte. */
  readonly at: Readonly<Record<Name, number>>
}

const ENVELOPE_VTABLE = 2
const ENVELOPE = 4
const BODY_VTABLE = 7

/**
 * The shape of the union member `type` with exactly the given fields; `fields` lists fields of whole words before
 * fields of one byte.
 */
export function shape<const Name extends string>(layout: Layout, type: number, fields: readonly Name[]): Shape<Name> {
  const table = member(layout, type)
  const ids = fields.map((name) => table.fields.findIndex((field) => field.name === name))
  const vtableBytes = 4 + 2 * (Math.max(...ids) + 1)
  const body = BODY_VTABLE + ((vtableBytes + 3) >>> 2)
  const { offsets, bytes } = place(ids.map((id) => table.fields[id] as FieldLayout))

  const head = new Uint32Array(body + 1)
  const view = new DataView(head.buffer)
  view.setUint32(0, 4 * ENVELOPE, true)
  for (let i = 0; i < 4; i++) view.setUint8(4 + i, layout.identifier.charCodeAt(i))
  writeVtable(view, 4 * ENVELOPE_VTABLE, 8, 12, [8, 4])
  view.setInt32(4 * ENVELOPE, 4 * (ENVELOPE - ENVELOPE_VTABLE), true)
  view.setUint32(4 * (ENVELOPE + 1), 4 * (body - ENVELOPE - 1), true)
  view.setUint8(4 * (ENVELOPE + 2), type)
  const entries = new Array<number>(Math.max(...ids) + 1).fill(0)
  for (const [i, id] of ids.entries()) entries[id] = offsets[i] as number
  writeVtable(view, 4 * BODY_VTABLE, vtableBytes, bytes, entries)
  view.setInt32(4 * body, 4 * (body - BODY_VTABLE), true)

  const places = offsets.map((offset, i) => {
    const isByte = inline(table.fields[ids[i] as number] as FieldLayout) === 1
    return isByte ? 4 * body + offset : body + offset / 4
  })
  const at = Object.fromEntries(fields.map((name, i) => [name, places[i]])) as Record<Name, number>
  return { head, words: body + ((bytes + 3) >>> 2), at }
}

function member(layout: Layout, type: number): TableLayout {
  const body = layout.tables[layout.root]?.fields[1]
  const index = body?.kind === 'union' ? body.members[type] : null
  const table = layout.tables[index ?? -1]
  if (table === undefined) throw new RangeError(`${layout.identifier} has no type ${type}`)
  return table
}

function inline(field: FieldLayout): number {
  return field.kind === 'inline' ? field.size : 4
}

/** Offsets within the table, after the offset of its vtable, and the table's size. */
function place(fields: readonly FieldLayout[]): { offsets: number[]; bytes: number } {
  let bytes = 4
  const offsets = fields.map((field) => {
    const size = inline(field)
    if (size % 4 !== 0 && size !== 1) throw new RangeError(`${field.name}: neither whole words nor a byte`)
    if (size !== 1 && bytes % 4 !== 0) throw new RangeError(`${field.name}: after a byte`)
    bytes += size
    return bytes - size
  })
  return { offsets, bytes }
}

function writeVtable(view: DataView, at: number, size: number, tableSize: number, entries: readonly number[]): void {
  view.setUint16(at, size, true)
  view.setUint16(at + 2, tableSize, true)
  for (const [id, offset] of entries.entries()) view.setUint16(at + 4 + 2 * id, offset, true)
}
