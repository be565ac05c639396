import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Flag, type Flags, flagName, type Settings, variableName, wrong } from './flag.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** What one source says, by name: the texts to parse. */
type Said = ReadonlyMap<string, readonly string[]>

export interface Given<F extends Flags> {
  readonly settings: Settings<F>
  /** The arguments that are no flags. */
  readonly positionals: readonly string[]
  /** Where each setting that is not left to its fallback comes from: the flag, variable or key as it is written. */
  readonly origins: ReadonlyMap<string, Origin>
}

export interface Origin {
  /** 0 command line, 1 environment, 2 file: the lower one wins. */
  readonly level: number
  readonly written: string
}

/**
 * Reads what a command is told: a flag beats the environment beats the file. `variables` are the flags of all commands: variables of other
 * commands are let pass, unknown ones are not.
 *
 * @throws EpaxosError with code `configuration`, naming what is wrong where
 */
export function readSettings<F extends Flags>(
  flags: F,
  args: readonly string[],
  environment: Environment,
  variables: ReadonlySet<string>,
): Given<F> {
  const { said, positionals, file } = readArguments(flags, args)
  const sources = [said, readEnvironment(flags, environment, variables), readFile(flags, file)]
  const origins = new Map<string, Origin>()
  const settings: Record<string, unknown> = {}
  for (const [name, flag] of Object.entries(flags)) {
    const level = sources.findIndex((source) => source.has(name))
    if (level < 0) settings[name] = flag.fallback
    else {
      const written = writtenAs(name, level, file)
      origins.set(name, { level, written })
      settings[name] = parse(flag, sources[level]?.get(name) as readonly string[], written)
    }
  }
  return { settings: settings as Settings<F>, positionals, origins }
}

function writtenAs(name: string, level: number, file: string | null): string {
  if (level === 0) return `--${flagName(name)}`
  return level === 1 ? variableName(name) : `"${name}" in ${file}`
}

function parse(flag: Flag<unknown>, texts: readonly string[], written: string): unknown {
  try {
    return flag.parse(texts)
  } catch (error) {
    throw wrong(`${written} ${(error as Error).message}`)
  }
}

/** Before an argument like `-5`, which is a number and no flag; no argument holds this character. */
const NUMBER = '\0'

function readArguments(flags: Flags, args: readonly string[]) {
  const options: Record<string, { type: 'string' | 'boolean'; multiple: true }> = {
    config: { type: 'string', multiple: true },
  }
  for (const [name, { placeholder, hidden }] of Object.entries(flags)) {
    if (!hidden) options[flagName(name)] = { type: placeholder === '' ? 'boolean' : 'string', multiple: true }
    if (placeholder === '' && !hidden) options[`no-${flagName(name)}`] = { type: 'boolean', multiple: true }
  }
  const shielded = args.map((arg) => (/^-\d/.test(arg) ? NUMBER + arg : arg))
  const { values, positionals } = parseStrictly(shielded, options)
  const said = new Map<string, string[]>()
  for (const [name, flag] of Object.entries(flags)) {
    const texts = textsOf(values, flagName(name))
    if (texts.length > 1 && !flag.repeatable) throw wrong(`--${flagName(name)} is given more than once`)
    if (texts.length > 0) said.set(name, texts)
  }
  const files = textsOf(values, 'config')
  if (files.length > 1) throw wrong('--config is given more than once')
  return { said, positionals: positionals.map(unshielded), file: files[0] ?? null }
}

type Values = Readonly<Record<string, readonly (string | boolean)[] | undefined>>

function parseStrictly(
  args: string[],
  options: Record<string, { type: 'string' | 'boolean'; multiple: true }>,
): { values: Values; positionals: string[] } {
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true, strict: true })
    return { values: values as Values, positionals }
  } catch (error) {
    // What follows the first sentence is about arguments that begin with a dash.
    throw wrong(unshielded((error as Error).message).split('. ')[0] as string)
  }
}

function textsOf(values: Values, name: string): string[] {
  const negated = (values[`no-${name}`] ?? []).map(() => 'false')
  return [...(values[name] ?? []).map((value) => unshielded(String(value))), ...negated]
}

function unshielded(text: string): string {
  return text.replaceAll(NUMBER, '')
}

function readEnvironment(flags: Flags, environment: Environment, variables: ReadonlySet<string>): Said {
  const unknown = Object.keys(environment).filter((name) => name.startsWith('EPAXOS_') && !variables.has(name))
  if (unknown.length > 0) throw wrong(`unknown environment variable ${unknown.sort().join(', ')}`)
  const said = new Map<string, string[]>()
  for (const name of Object.keys(flags)) {
    const value = environment[variableName(name)]
    if (value !== undefined) said.set(name, [value])
  }
  return said
}

/** A JSON object; its keys are written like the flags, or in camel case. */
function readFile(flags: Flags, path: string | null): Said {
  const said = new Map<string, string[]>()
  if (path === null) return said
  for (const [key, value] of Object.entries(readObject(path))) {
    const name = Object.keys(flags).find((name) => key === name || key === flagName(name))
    if (name === undefined) throw wrong(`unknown key "${key}" in ${path}`)
    if (said.has(name)) throw wrong(`"${name}" stands twice in ${path}`)
    said.set(name, textsOfValue(flags[name] as Flag<unknown>, value, `"${key}" in ${path}`))
  }
  return said
}

function textsOfValue({ repeatable }: Flag<unknown>, value: unknown, written: string): string[] {
  const values = repeatable && Array.isArray(value) ? value : [value]
  if (values.every((element) => ['string', 'number', 'boolean'].includes(typeof element))) return values.map(String)
  throw wrong(`${written} is a text or a number${repeatable ? ', or an array of such' : ''}`)
}

function readObject(path: string): object {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch (error) {
    throw wrong(`--config ${path}: ${(error as Error).message}`)
  }
  throw wrong(`--config ${path}: is no JSON object`)
}
