import type { Attempt } from '../../src/protocol/attempt.ts'
import type { Effects } from '../../src/protocol/effects.ts'
import type { Instance } from '../../src/protocol/instance.ts'
import { Command, type Message, MessageType, Phase } from '../../src/protocol/messages.ts'
import { RecordType } from '../../src/protocol/records.ts'
import { hasVote, type Votes } from '../../src/protocol/votes.ts'
import type { EngineMaker } from '../support/engine-makers.ts'
import { NONE, type State, Subject } from './states.ts'
import type { Variant } from './variants.ts'

/**
 * Brings a replica into the state, gives it the message twice, and describes the result: what it journals, what it
 * sends at once, what it sends when that is durable, and the fields that change; `again:` if the repetition has any
 * effect.
 */
export function outcome(state: State, variant: Variant, engine: EngineMaker): string {
  let subject = new Subject(engine)
  state.enter(subject)
  if (state.restarted) subject = new Subject(engine, subject.journal)
  const first = hear(subject, state, variant)
  const again = hear(subject, state, variant)
  return again === 'nothing' ? first : `${first}; again: ${again}`
}

function hear(subject: Subject, state: State, variant: Variant): string {
  const { core } = subject
  const before = fieldsOf(core.instance(state.row, state.slot))
  const dropped = core.counts.dropped
  try {
    core.receive(variant.from(state), variant.message(state))
  } catch (error) {
    return `stops: ${(error as Error).message}`
  }
  const now = subject.take()
  const durable = subject.sync()
  const after = fieldsOf(core.instance(state.row, state.slot))
  const parts = [
    ...listed('journals', now.records.map(recordText)),
    ...listed('sends', messagesOf(now)),
    ...listed('executes', now.commits.map(String)),
    ...listed('proposes again', now.rejected.map(String)),
    ...listed('when durable sends', messagesOf(durable)),
    ...listed('when durable executes', durable.commits.map(String)),
    ...listed(
      '',
      [...after].filter(([name, value]) => before.get(name) !== value).map((field) => field.join(' ')),
    ),
    ...(core.counts.dropped > dropped ? ['dropped'] : []),
  ]
  return parts.length === 0 ? 'nothing' : parts.join('; ')
}

function listed(what: string, items: readonly string[]): string[] {
  return items.length === 0 ? [] : [`${what} ${items.join(', ')}`.trim()]
}

const PHASES = ['none', 'preAccepted', 'accepted', 'committed']
const COMMANDS = ['unknown', 'batch', 'noop']

function nameIn(table: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(table).find((name) => table[name] === value) ?? String(value)
}

function fieldsOf(instance: Instance | undefined): Map<string, string> {
  const fields = new Map<string, string>()
  fields.set('phase', PHASES[instance?.phase ?? Phase.none] as string)
  fields.set('ballot', `${instance?.ballot ?? 0}`)
  fields.set('voteBallot', `${instance?.voteBallot ?? 0}`)
  fields.set('command', COMMANDS[instance?.command ?? Command.unknown] as string)
  fields.set('initDeps', vectorText(instance?.initDeps))
  fields.set('deps', vectorText(instance?.deps))
  fields.set('batch', instance?.known ? 'known' : 'unknown')
  fields.set('heard waiting', `${instance?.waitingHeard ?? 0}`)
  fields.set('seen ballot', `${instance?.seenBallot ?? 0}`)
  fields.set('attempt', instance?.attempt ? attemptText(instance.attempt) : 'none')
  return fields
}

function vectorText(vector: readonly number[] | null | undefined): string {
  return vector ? `[${vector.join('')}]` : '-'
}

function attemptText(attempt: Attempt): string {
  const { kind, ballot } = attempt
  switch (kind) {
    case 'preAccepting':
      return (
        `${kind}(answered ${members(attempt.answered)} equal ${members(attempt.equal)} ` +
        `refused ${members(attempt.refused)})`
      )
    case 'accepting':
      return `${kind}(${ballot} votes ${members(attempt.votes)})`
    case 'recovering':
      return `${kind}(${ballot} answered ${members(attempt.answered)})`
    case 'validating':
      return (
        `${kind}(${ballot} Q ${members(attempt.quorum)} answered ${members(attempt.answered)} ` +
        `I ${attempt.conflicts.size} late ${attempt.late.length})`
      )
    case 'waiting':
      return (
        `${kind}(${ballot} R ${attempt.count} for ${attempt.conflicts.map((x) => `${x.row}.${x.slot}`).join(' ')} ` +
        `late ${attempt.late.length})`
      )
  }
}

function members(votes: Votes): string {
  return NONE.map((_, replica) => replica)
    .filter((replica) => hasVote(votes, replica))
    .join('')
}

function recordText(record: Effects['records'][number]): string {
  const type = nameIn(RecordType, record.type).toUpperCase()
  const parts: string[] = []
  if ('ballot' in record) parts.push(`${record.ballot}`)
  if ('command' in record && record.command === Command.noop) parts.push('noop')
  if ('batch' in record && record.batch !== null) parts.push('batch')
  return parts.length === 0 ? type : `${type}(${parts.join(' ')})`
}

/** Equal messages to several replicas are one item. */
function messagesOf(effects: Effects): string[] {
  const receivers = new Map<string, number[]>()
  for (const { to, message } of effects.messages) {
    const text = messageText(message)
    receivers.set(text, [...(receivers.get(text) ?? []), to])
  }
  return [...receivers].map(([text, to]) => `${text} to ${to.join('')}`)
}

function messageText(message: Message): string {
  const name = nameIn(MessageType, message.type)
  const parts: string[] = []
  if ('ballot' in message) parts.push(`${message.ballot}`)
  if (message.type === MessageType.recoverOk) parts.push(`vote ${message.voteBallot}`, PHASES[message.phase] as string)
  if ('command' in message) parts.push(COMMANDS[message.command] as string)
  if ('initDeps' in message) parts.push(`init ${vectorText(message.initDeps)}`)
  if ('deps' in message) parts.push(vectorText(message.deps))
  if (message.type === MessageType.validateOk) {
    parts.push(message.conflicts.map((x) => `${x.row}.${x.slot} ${PHASES[x.phase]}`).join(' ') || 'nothing against it')
  }
  if ('count' in message) parts.push(`${message.count}`)
  if ('batch' in message && message.batch !== null) parts.push('with batch')
  return `${name[0]?.toUpperCase()}${name.slice(1)}(${parts.join(' ')})`
}
