import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { fill, openMember } from './on-disk.ts'

const test = suite('flipped bits in data files')

const FLIPS = Number(process.env.EPAXOS_FLIPS ?? 200)

/** What a replica may say about a directory that is not as it was. */
const FOUND = new Set(['damaged', 'foreign_directory', 'storage'])

/** Starts replicas on directories; is replaced when a damaged file ends it. */
class Starter {
  #child: ChildProcess | null = null
  #lines: AsyncIterator<string> | null = null

  /** What came of it; "ended" if it ended the process. */
  async outcomeOf(directory: string): Promise<string> {
    if (this.#child === null) {
      const script = fileURLToPath(new URL('flip-child.ts', import.meta.url))
      this.#child = spawn(process.execPath, ['--import', 'tsx', script], { stdio: ['pipe', 'pipe', 'ignore'] })
      this.#child.stdin?.on('error', () => {})
      this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
    }
    this.#child.stdin?.write(`${directory}\n`)
    const line = await (this.#lines as AsyncIterator<string>).next()
    if (!line.done) return line.value
    this.#child = null
    return 'ended'
  }

  close(): void {
    this.#child?.kill()
  }
}

/** All files that hold data, by path. */
function dataFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile() && !path.endsWith('lock.mdb'))
}

function flip(path: string, random: Random): string {
  const bytes = readFileSync(path)
  const bit = random.below(bytes.length * 8)
  bytes[bit >>> 3] = (bytes[bit >>> 3] as number) ^ (1 << (bit & 7))
  writeFileSync(path, bytes)
  return `bit ${bit} of ${path}`
}

test('each is found, or harmless: then nothing is lost, now or after more writes and a restart', async () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const folder = mkdtempSync(join(tmpdir(), 'epaxos-flips-'))
  const starter = new Starter()
  try {
    const good = join(folder, 'good')
    const { member, close } = await openMember(good)
    await fill(member, 0, 300)
    assert.ok(member.numbers.checkpoints > 0)
    await close()
    const copy = join(folder, 'copy')
    const copied = () => {
      rmSync(copy, { recursive: true, force: true })
      cpSync(good, copy, { recursive: true, filter: (path) => !/\/lock\/./.test(path) })
    }
    copied()
    const expected = await starter.outcomeOf(copy)
    assert.match(expected, /^[0-9a-f-]+ [0-9a-f-]+$/)
    const counts = { found: 0, harmless: 0, ended: 0 }
    for (let i = 0; i < FLIPS; i++) {
      copied()
      const where = flip(random.pick(dataFiles(copy)), random)
      const outcome = await starter.outcomeOf(copy)
      if (FOUND.has(outcome)) counts.found++
      else if (outcome === 'ended') counts.ended++
      else {
        assert.is(outcome, expected, `seed ${seed}: ${where}`)
        counts.harmless++
      }
    }
    assert.ok(counts.found > FLIPS / 20, `${JSON.stringify(counts)}, seed ${seed}`)
    volume('flipped bits found', counts.found)
    volume('flipped bits without effect', counts.harmless)
    volume('flipped bits that LMDB ended the process for', counts.ended)
  } finally {
    starter.close()
    rmSync(folder, { recursive: true })
  }
})

test.run()
