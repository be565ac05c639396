import { repeatedName } from '../../json.ts'
import type { Arguments } from './arguments.ts'
import { type Flag, type Flags, flagName, PREFIX, type Settings, variableName, wrong } from './flag.ts'
import { readText } from './read-text.ts'
import { isOfService } from './service-variables.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** The settings of one source, by name: the texts to parse. */
type Said = ReadonlyMap<string, readonly string[]>

export interface Given<F extends Flags> {
  readonly settings: Settings<F>
  /** The positional arguments. */
  readonly positionals: readonly string[]
  /** The source of each setting that does not have its default: the flag, variable or key as it is written. */
  readonly origins: ReadonlyMap<string, Origin>
  /** For people: what was not understood and is ignored. */
  readonly warnings: readonly string[]
}

export interface Origin {
  /** 0 command line, 1 environment, 2 file: the lower one wins. */
  readonly level: number
  readonly written: string
}

/**
 * Reads the settings of a command: a flag beats the environment, which beats the file. `variables` are those of all
 * commands: variables of other commands are allowed, and those that no command knows give a warning. Unknown keys of
 * the file are errors.
 *
 * @throws EpaxosError with code `configuration` that says what is wrong, and where
 */
export function readSettings<F extends Flags>(
  flags: F,
  { said, positionals, file }: Arguments,
  environment: Environment,
  variables: ReadonlySet<string>,
): Given<F> {
  const sources = [said, readEnvironment(flags, environment), readFile(flags, file)]
  const origins = new Map<string, Origin>()
  const settings: Record<string, unknown> = {}
  for (const [name, flag] of Object.entries(flags)) {
    const level = sources.findIndex((source) => source.has(name))
    if (level < 0) settings[name] = flag.fallback
    else {
      const written = writtenAs(name, level, file)
      origins.set(name, { level, written })
      const texts = sources[level]?.get(name) as readonly string[]
      if (level < FILE && texts.some(isUnreadable)) throw wrong(`${written} ${UNREADABLE}`)
      settings[name] = parse(flag, texts, written)
    }
  }
  const warnings = unknownVariables(environment, variables).map(
    (name) => `unknown environment variable ${name}: ignored`,
  )
  return { settings: settings as Settings<F>, positionals, origins, warnings }
}

/** The level of the file, which is read strictly. */
const FILE = 2

export const UNREADABLE = 'is not UTF-8, or holds the character U+FFFD, which stands for what is none'

/** Whether Node.js has put U+FFFD for bytes that are not UTF-8, or cannot encode the text. */
export function isUnreadable(text: string): boolean {
  return /[\uFFFD\p{Surrogate}]/u.test(text)
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

/** Variables with our prefix that no command knows, by name. */
function unknownVariables(environment: Environment, variables: ReadonlySet<string>): string[] {
  const ours = Object.entries(environment).filter(([name]) => name.startsWith(PREFIX) && !variables.has(name))
  return ours.flatMap(([name, value = '']) => (isOfService(name, value) ? [] : [name])).sort()
}

function readEnvironment(flags: Flags, environment: Environment): Said {
  const said = new Map<string, string[]>()
  for (const name of Object.keys(flags)) {
    const variable = variableName(name)
    const value = environment[variable]
    if (value !== undefined && !isOfService(variable, value)) said.set(name, [value])
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
    if (said.has(name)) throw wrong(`"${name}" occurs twice in ${path}`)
    said.set(name, textsOfValue(flags[name] as Flag<unknown>, value, `"${key}" in ${path}`))
  }
  return said
}

function textsOfValue({ repeatable, json }: Flag<unknown>, value: unknown, written: string): string[] {
  const values = repeatable && Array.isArray(value) ? value : [value]
  if (values.every((element) => typeof element === 'string' || typeof element === json)) return values.map(String)
  const kinds = json === 'string' ? 'a string' : `a ${json}, or a string that holds one`
  throw wrong(`${written} is ${kinds}${repeatable ? ', or an array of such' : ''}`)
}

function readObject(path: string): object {
  const text = readText(path, '--config')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw wrong(`--config ${path}: ${(error as Error).message}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong(`--config ${path}: is not a JSON object`)
  const repeated = repeatedName(text)
  if (repeated !== null) throw wrong(`"${repeated}" occurs twice in ${path}`)
  return value
}
