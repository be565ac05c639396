import type { Status } from '../../node/status.ts'

/** What one replica reports about itself, or why it does not report. */
export type Report = Status | { readonly id: number; readonly client: string; readonly error: string }
