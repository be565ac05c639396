import { connect } from '../../src/client/index.ts'

/** What a page does with the client library; resolves with what it saw, as JSON. */
export async function useClient(urls: string[], foreign: string, secret: string): Promise<string> {
  const client = await connect(urls, { secret })
  await client.put('page', 'välue')
  await client.put('bytes', Uint8Array.of(0, 255))
  const numbers = await Promise.all(Array.from({ length: 1000 }, () => client.increment('n')))
  const seen = {
    value: await client.get('page'),
    bytes: [...((await client.getBytes('bytes')) ?? [])],
    counted: new Set(numbers).size,
    stale: await client.get('page', { consistency: 'stale' }),
    wrongSecret: await codeOf(connect(urls, { secret: `${secret}!` })),
    wrongOrigin: await codeOf(connect(foreign)),
    node: 'process' in globalThis,
  }
  await client.close()
  return JSON.stringify(seen)
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'done',
    ({ code }: { code: string }) => code,
  )
}
