import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import type { Body, Message } from '../../src/cli/maelstrom/messages.ts'
import { PROGRAM, plainEnvironment } from '../support/cli.ts'
import type { Random } from '../support/random.ts'

/** What the network does to messages between nodes. */
export interface Weather {
  /** The maximum delay of a message in ms; each delay is independent of earlier messages. */
  readonly delayMs: number
  /** Of all messages. */
  readonly loss: number
}

export interface NetworkOptions {
  readonly nodes: number
  readonly random: Random
  readonly weather: Weather
  readonly flags?: readonly string[]
}

/** A client gives up a request after this many ms; its outcome is then unknown. */
const GIVE_UP_MS = 6000
const READY_MS = 15_000

/**
 * The small part of Maelstrom that a test needs: it starts the nodes and carries every message between nodes and
 * clients.
 */
export class MaelstromNetwork {
  /** Messages between nodes that were delivered, and lost. */
  readonly counts = { delivered: 0, lost: 0 }
  /** What nodes wrote to stderr. */
  readonly complaints: string[] = []
  readonly #options: NetworkOptions
  readonly #nodes = new Map<string, ChildProcess>()
  readonly #waiting = new Map<string, (body: Body) => void>()
  readonly #timers = new Set<NodeJS.Timeout>()
  /** By node. Messages between different sides are lost. */
  readonly #sides = new Map<string, number>()
  #requests = 0
  #calm = false

  /** Runs `body` with initialized nodes; ends them afterwards, however `body` ended. */
  static async use(options: NetworkOptions, body: (network: MaelstromNetwork) => Promise<void>): Promise<void> {
    const network = new MaelstromNetwork(options)
    try {
      await network.#init()
      await body(network)
    } finally {
      await network.#end()
    }
  }

  private constructor(options: NetworkOptions) {
    this.#options = options
    for (let i = 0; i < options.nodes; i++) this.#start(`n${i}`)
  }

  get nodes(): readonly string[] {
    return [...this.#nodes.keys()]
  }

  /** Resolves with the answer, or with `timeout` (code 0) if none comes. */
  rpc(client: string, node: string, body: Body): Promise<Body> {
    const number = ++this.#requests
    return new Promise((resolve) => {
      const timer = this.#later(GIVE_UP_MS, () => settle({ type: 'error', code: 0, text: 'no answer' }))
      const settle = (answer: Body) => {
        this.#cancel(timer)
        this.#waiting.delete(`${client}:${number}`)
        resolve(answer)
      }
      this.#waiting.set(`${client}:${number}`, settle)
      this.#deliver({ src: client, dest: node, body: { ...body, msg_id: number } })
    })
  }

  /** From now on these nodes and the others cannot hear each other. */
  partition(nodes: readonly string[]): void {
    for (const node of this.nodes) this.#sides.set(node, nodes.includes(node) ? 1 : 0)
  }

  /** All nodes can hear each other again. */
  heal(): void {
    this.#sides.clear()
  }

  /** Stops delaying and losing messages. */
  calm(): void {
    this.#calm = true
    this.heal()
  }

  /** Sends a line to a node as it is. */
  write(node: string, line: string): void {
    this.#nodes.get(node)?.stdin?.write(`${line}\n`)
  }

  #start(name: string): void {
    const { flags = [] } = this.#options
    const child = spawn(process.execPath, [PROGRAM, 'maelstrom', ...flags], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: plainEnvironment(),
    })
    this.#nodes.set(name, child)
    child.stdin.on('error', () => {})
    createInterface({ input: child.stdout }).on('line', (line) => this.#route(JSON.parse(line) as Message))
    createInterface({ input: child.stderr }).on('line', (line) => this.complaints.push(`${name}: ${line}`))
  }

  async #init(): Promise<void> {
    const node_ids = this.nodes
    const answers = node_ids.map((node_id) => this.rpc('c0', node_id, { type: 'init', node_id, node_ids }))
    for (const { type } of await Promise.all(answers)) {
      if (type !== 'init_ok') throw new Error(`a node was not initialized: ${this.complaints.join('\n')}`)
    }
    await Promise.all(node_ids.map((node) => this.ready(node)))
  }

  /** Resolves when the node answers requests: it hears a quorum and has caught up with it. */
  async ready(node: string): Promise<void> {
    const end = performance.now() + READY_MS
    while ((await this.rpc('c0', node, { type: 'txn', txn: [] })).type !== 'txn_ok') {
      if (performance.now() > end) throw new Error(`${node} is not ready: ${this.complaints.join('\n')}`)
      await pause(10)
    }
  }

  #route(message: Message): void {
    const { src, dest, body } = message
    if (!this.#nodes.has(dest)) {
      this.#waiting.get(`${dest}:${body.in_reply_to}`)?.(body)
      return
    }
    const { random, weather } = this.#options
    const cut = this.#sides.get(src) !== this.#sides.get(dest)
    if (cut || (!this.#calm && random.chance(weather.loss))) this.counts.lost++
    else if (this.#calm) this.#deliver(message)
    else this.#later(random.next() * weather.delayMs, () => this.#deliver(message))
  }

  #deliver(message: Message): void {
    if (this.#nodes.has(message.src)) this.counts.delivered++
    this.write(message.dest, JSON.stringify(message))
  }

  #later(ms: number, action: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      action()
    }, ms)
    this.#timers.add(timer)
    return timer
  }

  #cancel(timer: NodeJS.Timeout): void {
    clearTimeout(timer)
    this.#timers.delete(timer)
  }

  /** A node ends when its input ends. */
  async #end(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    const exits = [...this.#nodes.values()].map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.stdin?.end()
      const patience = setTimeout(() => child.kill('SIGKILL'), 5000)
      await new Promise((resolve) => child.once('close', resolve))
      clearTimeout(patience)
    })
    await Promise.all(exits)
  }
}
