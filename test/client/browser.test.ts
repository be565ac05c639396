import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { chromium, hasChromium, Page } from '../support/chromium.ts'
import { Replicas } from '../support/replicas.ts'

const test = suite('Client in a browser')
const SECRET = 'open sesame'

if (!hasChromium) {
  test.skip(`no Chromium at ${chromium}: set CHROMIUM`, () => {})
} else {
  test('a page of an allowed origin works with the cluster, of another one it does not', async () => {
    const page = await Page.serve()
    const replicas = await Replicas.open({ secret: SECRET, allowedOrigins: [page.origin] })
    const foreign = await Replicas.open({ count: 1 })
    try {
      const result = await page.run('/test/client/in-browser.ts', 'useClient', replicas.urls, foreign.url(0), SECRET)
      assert.match(result, /^\{/)
      assert.equal(JSON.parse(result), {
        value: 'välue',
        bytes: [0, 255],
        counted: 1000,
        stale: 'välue',
        wrongSecret: 'unauthorized',
        wrongOrigin: 'unreachable',
        node: false,
      })
    } finally {
      await page.close()
      await foreign.close()
      await replicas.close()
    }
  })
}

test.run()
