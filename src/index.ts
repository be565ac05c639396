/** A replicated state machine in your own process: a {@link Replica} of it, and a server for its clients. */
export { FootprintBuilder } from './engine/footprint.ts'
export { CommandError, EpaxosError, ErrorCode, type Outcome } from './errors.ts'
export { encodeExpire, encodeGroup, type GroupOptions } from './execution/groups.ts'
export type { ChangeListener, MachineImage, Restoring, StateMachine } from './execution/machine.ts'
export { ResultBuffer } from './execution/result-buffer.ts'
export { type ClientServer, type ServeOptions, serveClients } from './http/index.ts'
export {
  type CommandResult,
  Outcome as ResultOutcome,
  readResult,
  readTransactionResult,
  type TransactionResult,
} from './machine/command-results.ts'
export {
  type Bytes,
  type Condition,
  compareAndSetCommand,
  deleteCommand,
  getCommand,
  incrementCommand,
  type Operation,
  putCommand,
  type Transaction,
  transactionCommand,
} from './machine/commands.ts'
export { KeyValueStore } from './machine/key-value.ts'
export { PrintingMachine } from './machine/printing.ts'
export type { Logger } from './node/logger.ts'
export type { Durability, EngineKind, ReplicaOptions } from './node/options.ts'
export { Replica } from './node/replica.ts'
export type { Answer, Backup, ChangeRequest, Consistency, Members, Requests, Respond } from './node/requests.ts'
export { type RestoreBackupOptions, type RestoredBackup, restoreBackup } from './node/restore-backup.ts'
export type { Status } from './node/status.ts'
export type { ServerKind } from './transport/server.ts'
