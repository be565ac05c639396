import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { killAllCli, runCli } from '../support/cli.ts'
import { Replicas } from '../support/replicas.ts'
import { until } from '../support/until.ts'

const test = suite('epaxos status')

test.after(killAllCli)

test('says so where a replica of another cluster answers at an address that was learned', async () => {
  const other = await Replicas.open({ count: 1 })
  const replicas = await Replicas.open({ advertise: ['', other.url(0)] })
  try {
    await until(() => replicas.replica(0).clientUrls.every((url) => url !== ''), 'addresses learned')
    const { stdout, code } = await runCli(['status', '--json', '--url', replicas.url(0)])
    assert.is(code, 0)
    const reports = JSON.parse(stdout) as { error?: string }[]
    assert.equal(
      reports.map(({ error = '' }) => error),
      ['', 'a replica of another cluster answers there', ''],
    )
  } finally {
    await replicas.close()
    await other.close()
  }
})

test.run()
