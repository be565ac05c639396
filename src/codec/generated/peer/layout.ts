// Generated from schemas/peer.fbs by scripts/generate.mjs, do not modify.

import type { Layout } from '../../layout.ts'
import * as limits from '../../limits.ts'

export const peerLayout: Layout = {
  identifier: 'EPXP',
  root: 9,
  tables: [
    {
      name: 'Accept',
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
      name: 'AcceptOk',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'ballot', kind: 'inline', size: 8, align: 4, required: true },
      ],
    },
    {
      name: 'Ask',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'count', kind: 'inline', size: 4, align: 4 },
      ],
    },
    {
      name: 'CheckpointAsk',
      fields: [
        { name: 'lacking', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'executed', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS, required: true },
        { name: 'beyond', kind: 'vector', size: 20, align: 4, limit: limits.MAX_RUNS, required: true },
        { name: 'number', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'chunk', kind: 'inline', size: 4, align: 4 },
        { name: 'count', kind: 'inline', size: 4, align: 4 },
      ],
    },
    {
      name: 'CheckpointChunk',
      fields: [
        { name: 'epoch', kind: 'inline', size: 4, align: 4 },
        { name: 'number', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'chunk', kind: 'inline', size: 4, align: 4 },
        { name: 'bytes', kind: 'vector', size: 1, align: 1, limit: limits.MAX_CHECKPOINT_CHUNK_BYTES, required: true },
      ],
    },
    {
      name: 'Commit',
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
      name: 'Heartbeat',
      fields: [
        { name: 'epoch', kind: 'inline', size: 4, align: 4 },
        { name: 'sent_us', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'echo_us', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'committed', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS, required: true },
        { name: 'executed', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS, required: true },
        { name: 'floor', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS, required: true },
        { name: 'journal', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'state', kind: 'inline', size: 8, align: 4, required: true },
      ],
    },
    {
      name: 'Nack',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'ballot', kind: 'inline', size: 8, align: 4, required: true },
      ],
    },
    {
      name: 'NotYet',
      fields: [
        { name: 'epoch', kind: 'inline', size: 4, align: 4 },
      ],
    },
    {
      name: 'PeerMessage',
      fields: [
        { name: 'body_type', kind: 'inline', size: 1, align: 1 },
        { name: 'body', kind: 'union', members: [null, 10, 11, 0, 1, 5, 14, 15, 18, 19, 20, 7, 17, 2, 16, 6, 12, 13, 3, 4, 8], required: true },
      ],
    },
    {
      name: 'PreAccept',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'init_deps', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS, required: true },
        { name: 'footprint', kind: 'vector', size: 4, align: 4, limit: limits.MAX_FOOTPRINT_WORDS, required: true },
        { name: 'commands', kind: 'vector', size: 1, align: 1, limit: limits.MAX_BATCH_BYTES, required: true },
        { name: 'mode', kind: 'inline', size: 1, align: 1 },
        { name: 'quorum', kind: 'vector', size: 1, align: 1, limit: limits.MAX_REPLICAS },
      ],
    },
    {
      name: 'PreAcceptOk',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'deps', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS, required: true },
        { name: 'ok', kind: 'inline', size: 1, align: 1 },
      ],
    },
    {
      name: 'Probe',
      fields: [
        { name: 'epoch', kind: 'inline', size: 4, align: 4 },
        { name: 'start', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'number', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'keys', kind: 'vector', size: 4, align: 4, limit: limits.MAX_PROBE_WORDS, required: true },
        { name: 'executed', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS, required: true },
      ],
    },
    {
      name: 'ProbeOk',
      fields: [
        { name: 'epoch', kind: 'inline', size: 4, align: 4 },
        { name: 'start', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'number', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'floor', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS, required: true },
        { name: 'writers', kind: 'vector', size: 16, align: 4, limit: limits.MAX_PROBE_WRITERS, required: true },
      ],
    },
    {
      name: 'Recover',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'ballot', kind: 'inline', size: 8, align: 4, required: true },
      ],
    },
    {
      name: 'RecoverOk',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'ballot', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'vote_ballot', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'phase', kind: 'inline', size: 1, align: 1 },
        { name: 'command', kind: 'inline', size: 1, align: 1 },
        { name: 'mode', kind: 'inline', size: 1, align: 1 },
        { name: 'ok', kind: 'inline', size: 1, align: 1 },
        { name: 'init_deps', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS },
        { name: 'deps', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS },
        { name: 'footprint', kind: 'vector', size: 4, align: 4, limit: limits.MAX_FOOTPRINT_WORDS },
        { name: 'commands', kind: 'vector', size: 1, align: 1, limit: limits.MAX_BATCH_BYTES },
      ],
    },
    {
      name: 'Truncated',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'executed', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS, required: true },
      ],
    },
    {
      name: 'TryRecover',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
      ],
    },
    {
      name: 'Validate',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'ballot', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'deps', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS, required: true },
        { name: 'footprint', kind: 'vector', size: 4, align: 4, limit: limits.MAX_FOOTPRINT_WORDS, required: true },
        { name: 'commands', kind: 'vector', size: 1, align: 1, limit: limits.MAX_BATCH_BYTES, required: true },
        { name: 'init_deps', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS },
      ],
    },
    {
      name: 'ValidateOk',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'ballot', kind: 'inline', size: 8, align: 4, required: true },
        { name: 'conflicts', kind: 'vector', size: 12, align: 4, limit: limits.MAX_CONFLICTS, required: true },
      ],
    },
    {
      name: 'Waiting',
      fields: [
        { name: 'about', kind: 'inline', size: 16, align: 4, required: true },
        { name: 'count', kind: 'inline', size: 4, align: 4 },
        { name: 'deps', kind: 'vector', size: 8, align: 4, limit: limits.MAX_REPLICAS },
      ],
    },
  ],
}
