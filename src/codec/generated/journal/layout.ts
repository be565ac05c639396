// Generated from schemas/journal.fbs by scripts/generate.mjs, do not modify.

import type { Layout } from '../../layout.ts'
import * as limits from '../../limits.ts'

export const journalLayout: Layout = {
  identifier: 'EPXJ',
  root: 3,
  tables: [
    {
      name: 'Acc',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'ballot', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'deps', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS, required: true },
        { name: 'command', kind: 'inline', size: 1, align: 1 },
        { name: 'footprint', kind: 'vector', size: 4, align: 4, limit: limits.MAX_FOOTPRINT_WORDS },
        { name: 'commands', kind: 'vector', size: 1, align: 1, limit: limits.MAX_BATCH_BYTES },
      ],
    },
    {
      name: 'Bal',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'ballot', kind: 'inline', size: 8, align: 4, required: true },
      ],
    },
    {
      name: 'Com',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'ballot', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'deps', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS, required: true },
        { name: 'command', kind: 'inline', size: 1, align: 1 },
        { name: 'footprint', kind: 'vector', size: 4, align: 4, limit: limits.MAX_FOOTPRINT_WORDS },
        { name: 'commands', kind: 'vector', size: 1, align: 1, limit: limits.MAX_BATCH_BYTES },
      ],
    },
    {
      name: 'JournalEntry',
      fields: [
        { name: 'body_type', kind: 'inline', size: 1, align: 1 },
        { name: 'body', kind: 'union', members: [null, 6, 0, 1, 8, 2, 5, 4, 7], required: true },
      ],
    },
    {
      name: 'Met',
      fields: [
        { name: 'id', kind: 'inline', size: 4, align: 4 },
      ],
    },
    {
      name: 'Peer',
      fields: [
        { name: 'id', kind: 'inline', size: 4, align: 4 },
        { name: 'incarnation', kind: 'vector', size: 1, align: 1, limit: limits.INCARNATION_BYTES, required: true },
        { name: 'start', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'nonce', kind: 'vector', size: 1, align: 1, limit: limits.START_NONCE_BYTES, required: true },
        { name: 'heard', kind: 'inline', size: 8, align: 4, required: true },
      ],
    },
    {
      name: 'Pre',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'init_deps', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS, required: true },
        { name: 'deps', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS, required: true },
        { name: 'footprint', kind: 'vector', size: 4, align: 4, limit: limits.MAX_FOOTPRINT_WORDS, required: true },
        { name: 'commands', kind: 'vector', size: 1, align: 1, limit: limits.MAX_BATCH_BYTES, required: true },
        { name: 'mode', kind: 'inline', size: 1, align: 1 },
        { name: 'ok', kind: 'inline', size: 1, align: 1 },
        { name: 'quorum', kind: 'vector', size: 1, align: 1, limit: limits.MAX_REPLICAS },
      ],
    },
    {
      name: 'Start',
      fields: [
        { name: 'start', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'nonce', kind: 'vector', size: 1, align: 1, limit: limits.START_NONCE_BYTES, required: true },
      ],
    },
    {
      name: 'Val',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'init_deps', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS, required: true },
        { name: 'footprint', kind: 'vector', size: 4, align: 4, limit: limits.MAX_FOOTPRINT_WORDS },
        { name: 'commands', kind: 'vector', size: 1, align: 1, limit: limits.MAX_BATCH_BYTES },
      ],
    },
  ],
}
