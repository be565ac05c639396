import type { Instance } from '../../src/protocol/instance.ts'
import { MessageType, Phase } from '../../src/protocol/messages.ts'
import type { Wire } from './inputs.ts'
import type { Subject } from './subject.ts'

/**
 * If nobody begins recoveries any more, a Nack only hastens the slow path, and the end of patience does that as well.
 */
export function isSpent(message: Wire, spent: boolean): boolean {
  return spent && message.type === MessageType.nack
}

/**
 * Whether a message that changes nothing at its receiver, and has been answered, can never have an effect there: then
 * it need not stay in flight. `silent`: there is no answer to it now.
 */
export function isSettled(replica: Subject, message: Wire, silent: boolean): boolean {
  // What is not durable may be forgotten.
  if (replica.doomed) return false
  if (replica.crashed) return true
  // It never goes back to an epoch, and what it answers there is always the same.
  if (message.epoch !== replica.epoch) return message.epoch < replica.epoch
  if (!('row' in message)) return false
  const instance = replica.instance(message.row, message.slot)
  if (instance === undefined) return false
  if (instance.committed) return true
  switch (message.type) {
    case MessageType.preAccept:
      return instance.ballot > 0 || instance.phase !== Phase.none
    case MessageType.recover:
    case MessageType.validate:
    case MessageType.accept:
      return isPast(instance, message.ballot)
    case MessageType.preAcceptOk:
      return silent
    case MessageType.acceptOk:
    case MessageType.recoverOk:
    case MessageType.validateOk:
      // A ballot begins once: answers to a ballot that is no longer coordinated here come too late.
      return silent && instance.ballot >= message.ballot
    case MessageType.waiting:
    case MessageType.nack:
      // A restart forgets what was received.
      return silent && !replica.mortal
  }
  return false
}

/** A higher ballot is promised, or this one has its vote. */
function isPast({ ballot, voteBallot, phase }: Instance, of: number): boolean {
  return ballot > of || (phase === Phase.accepted && voteBallot >= of)
}
