import { FootprintBuilder } from '../engine/footprint.ts'
import { CommandError, EpaxosError, ErrorCode } from '../errors.ts'
import { GroupKind, GroupReader } from '../execution/groups.ts'
import type { StateMachine } from '../execution/machine.ts'
import { ResultBuffer } from '../execution/result-buffer.ts'
import { ResultWriter, Status } from '../execution/results.ts'
import type { Answer } from './requests.ts'

export interface StaleReadsOptions {
  readonly machine: StateMachine
  /** Null if the replica takes requests; otherwise why it does not. */
  readonly notReady: () => string | null
  /** Null if its state may be read; otherwise why not. */
  readonly notReadable: () => string | null
}

/**
 * Reads from the state of this replica, without the log and without a quorum. They may see the state between two
 * commands of a batch, never half a command.
 */
export class StaleReads {
  readonly #options: StaleReadsOptions
  readonly #group = new GroupReader()
  readonly #writer = new ResultWriter()
  readonly #keys = new FootprintBuilder()

  constructor(options: StaleReadsOptions) {
    this.#options = options
  }

  /** Answers a group of commands. An empty group asks whether the replica is there and ready. */
  answer(bytes: Uint8Array): Answer {
    try {
      return { outcome: 'done', results: this.#results(bytes) }
    } catch (error) {
      if (!(error instanceof EpaxosError)) throw error
      return { outcome: 'refused', code: error.code, message: error.message }
    }
  }

  /**
   * Applies one command, and returns its result. Throws a `CommandError` (`refused`): `not_ready`, or what is wrong
   * with the command, which must not write.
   */
  read(command: Uint8Array): Uint8Array {
    const result = new ResultBuffer()
    result.begin()
    this.#read(command, 0, command.length, result)
    return result.copy()
  }

  #read(bytes: Uint8Array, start: number, end: number, result: ResultBuffer): void {
    refuseIf(this.#options.notReadable())
    const { machine } = this.#options
    const keys = this.#keys
    keys.rewind([0, 0, 0])
    try {
      machine.footprint(bytes, start, end, keys)
    } catch (error) {
      if (!(error instanceof EpaxosError)) throw error
      throw new CommandError(error.code, 'refused', error.message)
    }
    if (keys.writes > 0) throw new CommandError(ErrorCode.badCommand, 'refused', 'a stale read must not write')
    machine.apply(bytes, start, end, result)
  }

  #results(bytes: Uint8Array): Uint8Array {
    const group = this.#group
    const writer = this.#writer
    group.open(bytes, 0)
    if (group.kind !== GroupKind.commands || group.end !== bytes.length) {
      throw new EpaxosError(ErrorCode.malformed, 'not one group of commands')
    }
    if (group.count === 0) refuseIf(this.#options.notReady())
    writer.take()
    writer.beginGroup()
    while (group.next()) {
      this.#read(bytes, group.commandStart, group.commandEnd, writer.begin())
      writer.end(Status.applied)
    }
    writer.endGroup()
    return writer.take()
  }
}

function refuseIf(notReady: string | null): void {
  if (notReady !== null) throw new CommandError(ErrorCode.notReady, 'refused', notReady)
}
