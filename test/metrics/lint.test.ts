import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lint, parse } from './lint.ts'

const test = suite('the lint of metrics')

const head = (name: string, kind: string) => `# HELP ${name} Something.\n# TYPE ${name} ${kind}\n`

test('what is right passes', () => {
  const text = [
    `${head('a_total', 'counter')}a_total{path="fast"} 1\na_total{path="s\\"l\\\\ow"} 2e+3\n`,
    `${head('b_seconds', 'gauge')}b_seconds -0.5\n`,
    `${head('c_seconds', 'histogram')}c_seconds_bucket{le="0.1"} 1\nc_seconds_bucket{le="+Inf"} 3\n`,
    'c_seconds_sum 0.5\nc_seconds_count 3\n',
  ].join('\n')
  const families = parse(text)
  assert.equal(lint(families), [])
  assert.equal(families[0]?.samples[1], { name: 'a_total', labels: { path: 's\\"l\\\\ow' }, value: 2000 })
})

test('what is not in the format is found', () => {
  const wrong = [
    'a_total 1\n',
    `${head('a_total', 'counter')}a_total`,
    `${head('a_total', 'counter')}a_total\n`,
    `${head('a_total', 'counter')}a_total 1,5\n`,
    `${head('a_total', 'counter')}a_total {x="1"} 1\n`,
    `${head('a_total', 'counter')}a_total{x=1} 1\n`,
    `${head('a_total', 'counter')}a_total{x="1",x="2"} 1\n`,
    `${head('a_total', 'counter')}a_total{x="1"y="2"} 1\n`,
    `${head('a_total', 'counter')}a_total 1\nb_total 1\n`,
    '# TYPE a_total counter\n',
  ]
  for (const text of wrong) assert.throws(() => parse(text), undefined, text)
})

test('what is in the format and wrong all the same is found', () => {
  const histogram = (...lines: string[]) => `${head('h_seconds', 'histogram')}${lines.join('\n')}\n`
  const wrong: [text: string, why: RegExp][] = [
    [`${head('a', 'counter')}a 1\n`, /end with _total/],
    [`${head('a_total', 'gauge')}a_total 1\n`, /end with _total/],
    [`${head('a_ms', 'gauge')}a_ms 1\n`, /base unit/],
    [`${head('aB', 'gauge')}aB 1\n`, /snake case/],
    [`${head('a', 'gauge')}a{aB="1"} 1\n`, /a label/],
    [`${head('a', 'gauge')}a 1\n${head('a', 'gauge')}a 2\n`, /two families/],
    [`${head('a', 'gauge')}a{x="1",y="2"} 1\na{y="2",x="1"} 2\n`, /occurs twice/],
    [`${head('a', 'gauge')}a NaN\n`, /not a number/],
    [`${head('a_total', 'counter')}a_total -1\n`, /below 0/],
    [`${head('a_count', 'gauge')}a_count 1\n`, /reserved/],
    [`${head('a', 'number')}a 1\n`, /unknown type/],
    ['# HELP a \n# TYPE a gauge\na 1\n', /no help/],
    [histogram('h_seconds_bucket{le="1"} 1', 'h_seconds_sum 1', 'h_seconds_count 1'), /wrong bounds/],
    [
      histogram('h_seconds_bucket{le="1"} 2', 'h_seconds_bucket{le="+Inf"} 1', 'h_seconds_sum 1', 'h_seconds_count 1'),
      /holds less/,
    ],
    [histogram('h_seconds_bucket{le="+Inf"} 1', 'h_seconds_sum 1', 'h_seconds_count 2'), /_count is not/],
    [histogram('h_seconds_bucket{le="+Inf"} 1', 'h_seconds_count 1'), /no _sum/],
  ]
  for (const [text, why] of wrong) assert.match(lint(parse(text)).join('\n'), why, text)
})

test.run()
