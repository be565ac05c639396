import { Instance } from '../../src/protocol/instance.ts'

/**
 * Fields that only depend on time, retries, the layout of the journal and the choice of who gets a batch. Time stands
 * still here; tries and holders are set where they matter. Every other field counts, also one that is added to the core
 * later.
 */
const IGNORED = new Set([
  'row',
  'slot',
  'dueMs',
  'noticedMs',
  'tries',
  'askedMs',
  'sentMs',
  'batchNumber',
  'batchIndex',
  'comNumber',
  'holders',
])

/** Fields without meaning once the instance is committed: from then on the answer to every request is its Commit. */
const OVER = new Set(['ballot', 'voteBallot', 'initDeps', 'seenBallot', 'waitingHeard'])

const PRISTINE = fieldsText(new Instance(0, 1), 0)

/** What is known of the instances, as one text; unknown instances are left out. */
export function stateText(instances: readonly Instance[], durable: number): string {
  let text = ''
  for (const instance of instances) {
    const fields = fieldsText(instance, durable, instance.committed)
    if (fields !== PRISTINE) text += `\n${instance}${fields}`
  }
  return text
}

function fieldsText(fields: object, durable: number, over = false): string {
  let text = ''
  for (const [key, value] of Object.entries(fields)) {
    if (IGNORED.has(key) || (over && OVER.has(key))) continue
    // Whether the messages of the instance wait for the disk.
    if (key === 'gate') text += value > durable ? ' gated' : ''
    else if (key === 'patienceMs') text += value > 0 ? ' hopes' : ''
    else if (key === 'batch') text += value === null ? '' : ' batch'
    else text += ` ${key}=${valueText(value, durable)}`
  }
  return text
}

function valueText(value: unknown, durable: number): string {
  if (value === null || typeof value !== 'object') return String(value)
  if (value instanceof Map) return `{${[...value].map(([key, of]) => `${key}:${valueText(of, durable)}`).sort()}}`
  if (Array.isArray(value)) return `[${Array.from(value, (one) => valueText(one, durable))}]`
  return `(${fieldsText(value, durable)})`
}
