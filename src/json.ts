const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const COLON = 0x3a
const COMMA = 0x2c

/**
 * A name that occurs twice in one object; `JSON.parse` would silently take the last one. Null if there is none.
 * @param json a text that `JSON.parse` accepts
 */
export function repeatedName(json: string): string | null {
  /** The names of the open objects, innermost last; null for lists. */
  const open: (Set<string> | null)[] = []
  let isName = false
  for (let at = 0; at < json.length; at++) {
    switch (json.charCodeAt(at)) {
      case OPEN_OBJECT:
        open.push(new Set())
        isName = true
        break
      case OPEN_LIST:
        open.push(null)
        break
      case CLOSE_OBJECT:
      case CLOSE_LIST:
        open.pop()
        break
      case COMMA:
        isName = open.at(-1) !== null
        break
      case COLON:
        isName = false
        break
      case QUOTE: {
        const end = endOfString(json, at + 1)
        const names = open.at(-1)
        if (isName && names) {
          const name = JSON.parse(json.slice(at, end)) as string
          if (names.has(name)) return name
          names.add(name)
        }
        at = end - 1
      }
    }
  }
  return null
}

/** The position after the closing quote of the string whose text begins at `at`. */
function endOfString(json: string, at: number): number {
  for (let end = at; ; end++) {
    const code = json.charCodeAt(end)
    if (code === BACKSLASH) end++
    else if (code === QUOTE) return end + 1
  }
}
