/** The byte layout of the tables of a schema. Generated from `schemas/*.fbs` into `generated/<schema>/layout.ts`. */
export interface Layout {
  /** Four characters at byte 4 of every flatbuffer of the schema. */
  readonly identifier: string
  /** Index of the root table. */
  readonly root: number
  readonly tables: readonly TableLayout[]
}

export interface TableLayout {
  readonly name: string
  /** By field id. */
  readonly fields: readonly FieldLayout[]
}

/**
 * Scalars and structs are inline; vectors and strings are behind an offset, and `limit` counts elements or bytes; the
 * type of a union is the field before it.
 */
export type FieldLayout = { readonly name: string; readonly required?: true } & (
  | { readonly kind: 'inline'; readonly size: number; readonly align: number }
  | { readonly kind: 'vector'; readonly size: number; readonly align: number; readonly limit: number }
  | { readonly kind: 'string'; readonly limit: number }
  | { readonly kind: 'strings'; readonly limit: number; readonly each: number }
  | { readonly kind: 'union'; readonly members: readonly (number | null)[] }
)
