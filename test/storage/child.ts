/**
 * What the storage tests do in processes of their own, to kill them or to let their disk fail: `child.ts VERB DIRECTORY …`. Says
 * what happened in lines on stdout.
 */
import { createInterface } from 'node:readline'
import { DataDirectory } from '../../src/storage/directory.ts'
import { LmdbJournal } from '../../src/storage/lmdb.ts'
import { DirectoryLock } from '../../src/storage/lock.ts'
import { failureCompliance } from './compliance.ts'
import { owner, testValue } from './processes.ts'

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

const verbs: Record<string, (directory: string, argument: string) => Promise<void>> = {
  /** Appends for ever, a few values a turn, and says up to which number they are durable. */
  async append(directory) {
    const journal = await LmdbJournal.open(directory)
    let durable = journal.last
    journal.onDurable(
      (upTo) => {
        durable = upTo
        say(`${upTo}`)
      },
      (error) => {
        throw error
      },
    )
    const turn = () => {
      if (journal.last < durable + 50)
        for (let i = journal.last % 3; i >= 0; i--) journal.append(testValue(journal.last + 1))
      if (journal.last % 100 < 3) journal.trim(journal.last - 500)
      setImmediate(turn)
    }
    turn()
  },

  /** Appends `groups` values, each after the one before it is durable. */
  async groups(directory, groups) {
    const journal = await LmdbJournal.open(directory)
    const first = journal.last
    await new Promise<void>((resolve, reject) => {
      journal.onDurable((upTo) => {
        if (upTo - first === Number(groups)) resolve()
        else journal.append(testValue(upTo + 1))
      }, reject)
      journal.append(testValue(first + 1))
    })
    await journal.close()
    say('done')
  },

  /** Appends until the limit on the file's size, set by who starts this, is reached. */
  async fill(directory) {
    process.on('SIGXFSZ', () => {})
    const journal = await LmdbJournal.open(directory)
    const durable = await failureCompliance(journal, () => {}, 3000)
    say(`failed after ${durable}`)
  },

  /** Opens the data directory, and keeps it until it is killed. */
  async hold(directory) {
    await DataDirectory.open(directory, owner)
    say('held')
    setInterval(() => {}, 1000)
  },

  /** At each line on stdin tries to lock the directory, several times at once; says how often it succeeded, then keeps it until it is killed. */
  async race(directory) {
    say('ready')
    for await (const line of createInterface({ input: process.stdin })) {
      const attempts = Array.from({ length: Number(line) }, () => DirectoryLock.acquire(directory))
      const outcomes = await Promise.allSettled(attempts)
      const others = outcomes.filter((outcome) => outcome.status === 'rejected' && outcome.reason.code !== 'locked')
      for (const other of others) say(`${(other as PromiseRejectedResult).reason}`)
      say(`${outcomes.filter((outcome) => outcome.status === 'fulfilled').length}`)
    }
  },
}

const [verb = '', directory = '', argument = ''] = process.argv.slice(2)
await verbs[verb]?.(directory, argument)
