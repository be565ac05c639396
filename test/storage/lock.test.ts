import { cp, mkdir, readdir, unlink, writeFile } from 'node:fs/promises'
import { Server } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpaxosError } from '../../src/errors.ts'
import { DirectoryLock } from '../../src/storage/lock.ts'
import { volume } from '../support/volumes.ts'
import { nextTurn } from './compliance.ts'
import { withDirectory } from './processes.ts'

const lock = suite('directory lock')

async function refusal(directory: string): Promise<EpaxosError> {
  try {
    await DirectoryLock.acquire(directory)
  } catch (error) {
    assert.instance(error, EpaxosError)
    return error as EpaxosError
  }
  return assert.unreachable('locked twice') as never
}

lock('a locked directory is refused within the same process, and free after the release', () =>
  withDirectory(async (directory) => {
    const first = await DirectoryLock.acquire(directory)
    const error = await refusal(directory)
    assert.is(error.code, 'locked')
    assert.match(error.message, directory)
    assert.match(error.message, 'is used by another process')
    await first.release()
    await (await DirectoryLock.acquire(directory)).release()
  }),
)

lock('a directory locked by another process is refused, even a stopped one, and free after kill -9 (scenario 29)', () =>
  withDirectory(async (directory, start) => {
    const holder = start(['race', directory])
    await holder.said(1)
    holder.say('1')
    assert.is(await holder.said(2), '1')
    assert.is((await refusal(directory)).code, 'locked')
    holder.process.kill('SIGSTOP')
    assert.is((await refusal(directory)).code, 'locked')
    await holder.kill()
    await (await DirectoryLock.acquire(directory)).release()
  }),
)

lock('of many who take over one dead lock at once, within a process, one gets it', () =>
  withDirectory(async (directory) => {
    const rounds = 20
    for (let round = 0; round < rounds; round++) {
      const outcomes = await Promise.allSettled(Array.from({ length: 16 }, () => DirectoryLock.acquire(directory)))
      const held = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
      for (const outcome of outcomes) if (outcome.status === 'rejected') assert.is(outcome.reason.code, 'locked')
      assert.is(held.length, 1, `round ${round}`)
      await held[0]?.release()
    }
    assert.is((await readdir(join(directory, 'lock'))).length, 1, 'dead generations are removed')
    volume('races for a dead lock', rounds)
  }),
)

lock('while many lock and release in turn, never two hold it', () =>
  withDirectory(async (directory) => {
    let holders = 0
    let acquired = 0
    const contender = async () => {
      while (acquired < 100) {
        try {
          const held = await DirectoryLock.acquire(directory)
          assert.is(++holders, 1, `after ${acquired} times`)
          acquired++
          await nextTurn()
          holders--
          await held.release()
        } catch (error) {
          if ((error as EpaxosError).code !== 'locked') throw error
        }
      }
    }
    await Promise.all(Array.from({ length: 8 }, contender))
    volume('races for a dead lock', acquired)
  }),
)

lock('of many processes that take over the lock of a killed one at once, one gets it', () =>
  withDirectory(async (directory, start) => {
    const contenders = Array.from({ length: 8 }, () => start(['race', directory]))
    await Promise.all(contenders.map((contender) => contender.said(1)))
    for (let round = 2; contenders.length > 0; round++) {
      for (const contender of contenders) contender.say('4')
      const wins = await Promise.all(contenders.map((contender) => contender.said(round)))
      assert.is(wins.filter((count) => count === '1').length, 1, `round ${round}: ${wins}`)
      assert.is(wins.filter((count) => count === '0').length, wins.length - 1, `round ${round}: ${wins}`)
      const winner = wins.indexOf('1')
      await contenders[winner]?.kill()
      contenders.splice(winner, 1)
      volume('races for a dead lock', 1)
    }
  }),
)

lock('a start that was overtaken twice between finding a dead lock and taking it gives up', () =>
  withDirectory(async (directory) => {
    await (await DirectoryLock.acquire(directory)).release()
    const { listen } = Server.prototype
    let holder: DirectoryLock | undefined
    Server.prototype.listen = function (this: Server, ...args: unknown[]) {
      Server.prototype.listen = listen
      void overtake().then(() => listen.apply(this, args as never))
      return this
    }
    const overtake = async () => {
      await (await DirectoryLock.acquire(directory)).release()
      holder = await DirectoryLock.acquire(directory)
    }
    assert.is((await refusal(directory)).code, 'locked')
    assert.ok(holder, 'was overtaken')
    assert.equal(await readdir(join(directory, 'lock')), ['3'])
    await holder?.release()
  }),
)

lock('a directory with a path longer than a socket may have is locked as any other', () =>
  withDirectory(async (directory) => {
    const deep = join(directory, 'd'.repeat(120), 'e'.repeat(120))
    await mkdir(deep, { recursive: true })
    const first = await DirectoryLock.acquire(deep)
    assert.is((await refusal(deep)).code, 'locked')
    await first.release()
    await (await DirectoryLock.acquire(deep)).release()
  }),
)

lock('what a start that was killed half-way left does not matter', () =>
  withDirectory(async (directory) => {
    await (await DirectoryLock.acquire(directory)).release()
    await writeFile(join(directory, 'lock', 'starting-0123456789ab'), '')
    await mkdir(join(directory, '.lock-0123456789ab'))
    const first = await DirectoryLock.acquire(directory)
    assert.equal(await readdir(join(directory, 'lock')), ['2'])
    await first.release()
    await unlink(join(directory, 'lock', '2'))
    await (await DirectoryLock.acquire(directory)).release()
  }),
)

lock('a copy of a locked directory is not locked', () =>
  withDirectory(async (directory) => {
    const original = join(directory, 'original')
    await mkdir(original)
    const first = await DirectoryLock.acquire(original)
    const copy = join(directory, 'copy')
    await cp(original, copy, { recursive: true, filter: (source) => !/\d$/.test(source) })
    await (await DirectoryLock.acquire(copy)).release()
    await first.release()
  }),
)

lock('a directory that cannot be written is an error of the storage', async () => {
  try {
    await DirectoryLock.acquire('/proc')
    assert.unreachable('locked')
  } catch (error) {
    assert.is((error as EpaxosError).code, 'storage')
  }
})

lock.run()
