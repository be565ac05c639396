import type { Operation } from './history.ts'
import type { RegisterInput, RegisterOutput, StringsInput } from './models.ts'

/** An operation that was called and has not returned yet. */
interface Called<I> {
  readonly input: I
  readonly calledAt: number
}

/** Collects operations from lines of calls and returns, process by process. */
class Recorder<I, O> {
  readonly operations: Operation<I, O>[] = []
  readonly #open = new Map<number, Called<I>>()

  call(process: number, input: I, at: number): void {
    this.#open.set(process, { input, calledAt: at })
  }

  /** The input of the operation that the process has called. */
  input(process: number): I {
    const called = this.#open.get(process)
    if (called === undefined) throw new Error(`process ${process} returns without a call`)
    return called.input
  }

  return(process: number, output: O, at: number): void {
    this.#add(process, output, at)
  }

  /** Nothing is known of the outcome. */
  unknown(process: number): void {
    this.#add(process, null, Number.POSITIVE_INFINITY)
  }

  /** The operation certainly had no effect; it leaves no trace in the history. */
  forget(process: number): void {
    this.#open.delete(process)
  }

  end(): Operation<I, O>[] {
    for (const process of [...this.#open.keys()]) this.unknown(process)
    return this.operations
  }

  #add(process: number, output: O | null, returnedAt: number): void {
    const { input, calledAt } = this.#open.get(process) as Called<I>
    this.#open.delete(process)
    this.operations.push({ process, input, output, calledAt, returnedAt })
  }
}

const REGISTER_LINE = /^INFO\s+jepsen\.util - (\d+)\s+:(\w+)\s+:(\w+)\s+(.*)$/

/** A register's history in the format of Jepsen's logger. */
export function parseRegister(text: string): Operation<RegisterInput, RegisterOutput>[] {
  const recorder = new Recorder<RegisterInput, RegisterOutput>()
  text.split('\n').forEach((line, at) => {
    const match = REGISTER_LINE.exec(line.trim())
    if (match === null) return
    const [, id = '', type = '', f = '', value = ''] = match
    const process = Number(id)
    if (type === 'invoke') recorder.call(process, registerInput(f, value), at)
    else if (type === 'ok') recorder.return(process, f === 'read' ? { value: number(value) } : { ok: true }, at)
    else if (type === 'fail' && f === 'cas') recorder.return(process, { ok: false }, at)
    else if (type === 'fail') recorder.forget(process)
    else recorder.unknown(process)
  })
  return recorder.end()
}

function registerInput(f: string, value: string): RegisterInput {
  if (f === 'read') return { f }
  if (f === 'write') return { f, value: Number(value) }
  const [from = 0, to = 0] = value.replace(/[[\]]/g, '').split(/\s+/).map(Number)
  return { f: 'cas', from, to }
}

function number(text: string): number | null {
  return text === 'nil' ? null : Number(text)
}

const STRINGS_LINE = /^\{:process (\d+), :type :(\w+), :f :(\w+), :key "(.*?)", :value (.*)\}$/

/** A history of strings by key, in the format of Porcupine's test data. */
export function parseStrings(text: string): Operation<StringsInput, string>[] {
  const recorder = new Recorder<StringsInput, string>()
  text.split('\n').forEach((line, at) => {
    const match = STRINGS_LINE.exec(line.trim())
    if (match === null) return
    const [, id = '', type = '', f = '', key = '', quoted = ''] = match
    const process = Number(id)
    const value = quoted === 'nil' ? '' : (JSON.parse(quoted) as string)
    if (type === 'invoke') recorder.call(process, { f: f as StringsInput['f'], key, value } as StringsInput, at)
    else recorder.return(process, f === 'get' ? value : '', at)
  })
  return recorder.end()
}
