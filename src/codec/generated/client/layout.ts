// Generated from schemas/client.fbs by scripts/generate.mjs, do not modify.

import type { Layout } from '../../layout.ts'
import * as limits from '../../limits.ts'

export const clientLayout: Layout = {
  identifier: 'EPXC',
  root: 1,
  tables: [
    {
      name: 'Challenge',
      fields: [
        { name: 'nonce', kind: 'vector', size: 1, align: 1, limit: limits.NONCE_BYTES, required: true },
        { name: 'needs_secret', kind: 'inline', size: 1, align: 1 },
      ],
    },
    {
      name: 'ClientMessage',
      fields: [
        { name: 'body_type', kind: 'inline', size: 1, align: 1 },
        { name: 'body', kind: 'union', members: [null, 0, 2, 5, 3, 4], required: true },
      ],
    },
    {
      name: 'Hello',
      fields: [
        { name: 'version', kind: 'inline', size: 4, align: 4 },
        { name: 'proof', kind: 'vector', size: 1, align: 1, limit: limits.MAX_PROOF_BYTES, required: true },
        { name: 'cluster_id', kind: 'string', limit: limits.MAX_CLUSTER_ID_BYTES },
      ],
    },
    {
      name: 'Request',
      fields: [
        { name: 'id', kind: 'inline', size: 4, align: 4 },
        { name: 'group', kind: 'vector', size: 1, align: 1, limit: limits.MAX_GROUP_BYTES, required: true },
        { name: 'consistency', kind: 'inline', size: 1, align: 1 },
        { name: 'min', kind: 'vector', size: 1, align: 1, limit: limits.MAX_TOKEN_BYTES },
        { name: 'tokens', kind: 'inline', size: 1, align: 1 },
      ],
    },
    {
      name: 'Response',
      fields: [
        { name: 'id', kind: 'inline', size: 4, align: 4 },
        { name: 'results', kind: 'vector', size: 1, align: 1, limit: limits.MAX_RESULTS_BYTES },
        { name: 'outcome', kind: 'inline', size: 1, align: 1 },
        { name: 'code', kind: 'string', limit: limits.MAX_CODE_BYTES },
        { name: 'message', kind: 'string', limit: limits.MAX_MESSAGE_BYTES },
        { name: 'token', kind: 'vector', size: 1, align: 1, limit: limits.MAX_TOKEN_BYTES },
        { name: 'age_ms', kind: 'inline', size: 4, align: 4 },
      ],
    },
    {
      name: 'Welcome',
      fields: [
        { name: 'version', kind: 'inline', size: 4, align: 4 },
        { name: 'id', kind: 'inline', size: 4, align: 4 },
        { name: 'client_urls', kind: 'strings', limit: limits.MAX_REPLICAS, each: limits.MAX_URL_BYTES, required: true },
        { name: 'cluster_id', kind: 'string', limit: limits.MAX_CLUSTER_ID_BYTES, required: true },
        { name: 'epoch', kind: 'inline', size: 4, align: 4 },
        { name: 'leaving', kind: 'inline', size: 1, align: 1 },
      ],
    },
  ],
}
