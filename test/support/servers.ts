import { suite } from 'uvu'
import { type ChosenServer, chooseServer } from '../../src/transport/server.ts'

/** The servers that run here: node everywhere, uws if its binary loads. `EPAXOS_TEST_SERVER` selects one of them. */
export const testServers: readonly ChosenServer[] = (await all()).filter(({ kind }) => {
  return (process.env.EPAXOS_TEST_SERVER ?? kind) === kind
})
if (testServers.length === 0) throw new RangeError(`EPAXOS_TEST_SERVER: no ${process.env.EPAXOS_TEST_SERVER} here`)

async function all(): Promise<ChosenServer[]> {
  const first = await chooseServer(null)
  return first.kind === 'node' ? [first] : [first, await chooseServer('node')]
}

let running = testServers[0] as ChosenServer

/** The server of the {@link serverSuite} that is running; in other suites the first of {@link testServers}. */
export function runningServer(): ChosenServer {
  return running
}

type Story = () => unknown

export interface ServerSuite {
  (title: string, story: Story): void
  before(hook: Story): void
  after(hook: Story): void
  run(): void
  /** The server of the test that is running. */
  server(): ChosenServer
}

/** A suite that runs once on each server. */
export function serverSuite(name: string): ServerSuite {
  const suites = testServers.map((server) => {
    const test = suite(`${name}, server ${server.kind}`)
    test.before(() => {
      running = server
    })
    return test
  })
  const each = (title: string, story: Story) => {
    for (const test of suites) test(title, async () => void (await story()))
  }
  return Object.assign(each, {
    before: (hook: Story) => {
      for (const test of suites) test.before(async () => void (await hook()))
    },
    after: (hook: Story) => {
      for (const test of suites) test.after(async () => void (await hook()))
    },
    run: () => {
      for (const test of suites) test.run()
    },
    server: runningServer,
  })
}
