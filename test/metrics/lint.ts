/** What a scrape holds: the families in the order in which they come. */
export interface Family {
  readonly name: string
  readonly kind: string
  readonly help: string
  readonly samples: readonly Sample[]
}

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|[+-]Inf)$/
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/

/** Reads the text format of Prometheus strictly. Throws an error that names the line. */
export function parse(text: string): Family[] {
  const families: { name: string; kind: string; help: string; samples: Sample[] }[] = []
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    const family = families.at(-1)
    if (word === 'HELP') families.push({ name, kind: '', help: rest, samples: [] })
    else if (word === 'TYPE') {
      if (family?.name !== name || family.kind !== '') throw new Error(`TYPE without its HELP: ${line}`)
      family.kind = rest
    } else {
      const sample = sampleOf(line)
      const suffixes = family?.kind === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
      if (!suffixes.some((suffix) => sample.name === `${family?.name}${suffix}`)) {
        throw new Error(`a sample outside of its family: ${line}`)
      }
      family?.samples.push(sample)
    }
  }
  return families
}

function sampleOf(line: string): Sample {
  const [whole, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? []
  if (whole === undefined) throw new Error(`not a sample: ${line}`)
  const named: Record<string, string> = {}
  for (let rest = labels; rest !== ''; ) {
    const [part, label = '', text = ''] = LABEL.exec(rest) ?? []
    if (part === undefined || label in named) throw new Error(`wrong labels: ${line}`)
    named[label] = text
    rest = rest.slice(part.length)
  }
  return { name, labels: named, value: Number(value.replace('Inf', 'Infinity')) }
}

const KINDS = ['counter', 'gauge', 'histogram', 'summary']
const UNITS = /_(ms|us|ns|millis|milliseconds|microseconds|minutes|hours|days|kb|mb|gb|kilobytes|percent|bits)(_|$)/

/** What `promtool check metrics` would find, and some more, as text; empty if nothing is wrong. */
export function lint(families: readonly Family[]): string[] {
  const found: string[] = []
  const names = new Set<string>()
  for (const { name, kind, help, samples } of families) {
    const say = (what: string) => found.push(`${name}: ${what}`)
    if (names.has(name)) say('two families with this name')
    names.add(name)
    if (help === '') say('no help')
    if (!KINDS.includes(kind)) say(`unknown type ${kind}`)
    if (!/^[a-z][a-z0-9_]*$/.test(name)) say('not in snake case')
    if (UNITS.test(name)) say('not a base unit: seconds, bytes, ratio')
    if ((kind === 'counter') !== name.endsWith('_total')) say('counters, and only they, end with _total')
    if (/_(bucket|sum|count|info)$/.test(name) && !name.endsWith('_info')) say('a suffix that is reserved')
    const series = samples.map((one) => `${one.name}${JSON.stringify(Object.entries(one.labels).sort())}`)
    if (new Set(series).size < series.length) say('a series occurs twice')
    if (samples.some(({ value }) => Number.isNaN(value))) say('not a number')
    if (kind === 'counter' && samples.some(({ value }) => value < 0)) say('a counter below 0')
    for (const { labels } of samples) {
      if (Object.keys(labels).some((label) => !/^[a-z][a-z0-9_]*$/.test(label) || label.startsWith('__'))) {
        say('a label that is not in snake case')
      }
    }
    if (kind === 'histogram') found.push(...lintHistogram(name, samples))
  }
  return found
}

/** All series of a histogram: buckets that rise, up to +Inf, which is the count. */
function lintHistogram(name: string, samples: readonly Sample[]): string[] {
  const buckets = samples.filter((one) => one.name === `${name}_bucket`)
  const groups = new Map<string, Sample[]>()
  for (const bucket of buckets) {
    const { le: _, ...others } = bucket.labels
    const key = JSON.stringify(others)
    groups.set(key, [...(groups.get(key) ?? []), bucket])
  }
  const found: string[] = []
  for (const [key, group] of groups) {
    const bounds = group.map(({ labels }) => Number(labels.le?.replace('Inf', 'Infinity')))
    const isRising = (list: readonly number[]) => list.every((value, i) => i === 0 || value >= (list[i - 1] as number))
    if (!isRising(bounds) || bounds.at(-1) !== Number.POSITIVE_INFINITY) found.push(`${name}: wrong bounds`)
    if (!isRising(group.map(({ value }) => value))) found.push(`${name}: a bucket holds less than the one below it`)
    const of = (suffix: string) =>
      samples.find((one) => one.name === name + suffix && JSON.stringify(one.labels) === key)?.value
    if (of('_count') !== group.at(-1)?.value) found.push(`${name}: _count is not the +Inf bucket`)
    if (of('_sum') === undefined) found.push(`${name}: no _sum`)
  }
  return found
}
