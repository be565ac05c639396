import { type Command, type CommanderError, Option } from 'commander'
import { type Flags, flagName, wrong } from './flag.ts'

/** What a command line says. */
export interface Arguments {
  /** The texts of each setting, by name. */
  readonly said: ReadonlyMap<string, readonly string[]>
  /** The settings file; null for none. */
  readonly file: string | null
  readonly positionals: readonly string[]
}

const CONFIG = 'config'

/**
 * Adds the flags to a command of commander. The result, called when the command line is parsed, says what it holds; it
 * throws an `EpaxosError` with code `configuration` if a flag is given twice.
 */
export function addFlags(command: Command, flags: Flags): () => Arguments {
  const texts = new Map<string, string[]>()
  const add = (option: Option, name: string, implied?: string) => {
    command.addOption(option)
    command.on(`option:${option.name()}`, (text: string) => {
      texts.set(name, [...(texts.get(name) ?? []), implied ?? text])
    })
  }
  for (const [name, { placeholder, help, fallback, hidden }] of Object.entries(flags)) {
    if (hidden) continue
    const flag = flagName(name)
    const description = `${help}${shownFallback(flag, fallback)}`
    if (placeholder !== '') add(new Option(`--${flag} <${placeholder}>`, description), name)
    else {
      add(new Option(`--${flag}`, description), name, 'true')
      add(new Option(`--no-${flag}`).hideHelp(), name, 'false')
    }
  }
  add(new Option(`--${CONFIG} <FILE>`, 'a JSON object with any of these settings, by name'), CONFIG)
  return () => {
    const said = new Map<string, readonly string[]>()
    for (const [name, values] of texts) {
      const flag = `--${flagName(name)}`
      if (values.length > 1 && flags[name]?.repeatable !== true) throw wrong(`${flag} is given more than once`)
      said.set(
        name,
        values.map((text) => valueAfter(flag, text)),
      )
    }
    const file = said.get(CONFIG)?.[0] ?? null
    said.delete(CONFIG)
    return { said, file, positionals: command.args.map(unshielded) }
  }
}

/** What follows a flag is its value; if it begins with a dash, it more likely is the next flag. */
function valueAfter(flag: string, text: string): string {
  if (!text.startsWith('-')) return unshielded(text)
  throw wrong(`${flag} has no value, or one that begins with a dash: then write ${flag}=${text}`)
}

function shownFallback(flag: string, fallback: unknown): string {
  if (fallback === undefined || fallback === false || (Array.isArray(fallback) && fallback.length === 0)) return ''
  return fallback === true ? ` (default on; --no-${flag} turns it off)` : ` (default ${fallback})`
}

/**
 * Put in front of what begins with a dash and is not a flag: an argument like `-5`, which is a number, and the value in
 * `--flag=-value`. No argument contains this character.
 */
const SHIELD = '\0'

/** The arguments in the form in which commander gets them. */
export function shielded(args: readonly string[]): string[] {
  return args.map((arg) => (/^-\d/.test(arg) ? SHIELD + arg : arg.replace(/^(--[^=]+=)(?=-)/, `$1${SHIELD}`)))
}

function unshielded(text: string): string {
  return text.replaceAll(SHIELD, '')
}

/** What was wrong with a command line, as an `EpaxosError` with code `configuration`. */
export function usageError({ message }: CommanderError): Error {
  return wrong(unshielded(message).replace(/^error: /, ''))
}
