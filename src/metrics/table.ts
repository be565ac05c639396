import type { Each, Numbers, Shown } from './numbers.ts'

/** How one of the numbers is shown. */
export interface Row {
  /** Its name for Prometheus; several numbers share one if their `labels` differ. */
  readonly name: `epaxos_${string}`
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels?: Readonly<Record<string, string>>
  /** If there is one number for each of something: the label that says which. */
  readonly by?: string
  /** What Prometheus gets is this many times the number: it counts in seconds. */
  readonly scale?: number
  /** Its place in the answer to `GET /status`; not there if absent. */
  readonly status?: string
}

const MS = 1e-3
const COMMITS = 'Instances that this replica committed, by how: in one round trip, in two, or by recovering them.'

const ANSWERS = 'Answered groups of commands: done, refused (certainly not done) or unknown (may be done), and why.'

const READ_WAITS = 'Keys read without the log that waited for an execution, or first for an unknown payload.'

/** The one table behind `GET /status` and `GET /metrics`. The names in it are promises. */
export const TABLE: { readonly [N in keyof Shown]: Row } = {
  ready: gauge('epaxos_ready', 'Whether the replica answers clients.'),
  epoch: gauge('epaxos_epoch', 'The epoch: each change of the members makes the next one.', { status: 'epoch' }),
  up: gauge('epaxos_peer_up', 'Whether the peer is up as far as this replica knows.', { by: 'peer' }),

  fast: counter('epaxos_commits_total', COMMITS, { labels: { path: 'fast' }, status: 'counts.fast' }),
  slow: counter('epaxos_commits_total', COMMITS, { labels: { path: 'slow' }, status: 'counts.slow' }),
  recovered: counter('epaxos_commits_total', COMMITS, { labels: { path: 'recovered' }, status: 'counts.recovered' }),
  noop: counter('epaxos_noops_total', 'Instances committed as no-ops, by whomever.', { status: 'counts.noop' }),
  recoveries: counter('epaxos_recoveries_total', 'Recoveries begun here.'),
  falseSuspicions: counter('epaxos_false_suspicions_total', 'Peers that were suspected and then heard again.'),
  deferred: counter('epaxos_deferred_total', 'Requests of peers beyond their allowance: the peer asks again.', {
    status: 'counts.deferred',
  }),
  dropped: counter('epaxos_dropped_total', 'Messages and links that were dropped: unreadable, or not allowed.', {
    ...{ by: 'reason', status: 'counts.dropped' },
  }),
  committed: gauge('epaxos_committed_slot', 'Every slot of the row up to here is committed, or has executed, here.', {
    ...{ by: 'row', status: 'committed' },
  }),
  executed: gauge('epaxos_executed_slot', 'Every slot of the row up to here has executed here.', {
    ...{ by: 'row', status: 'executed' },
  }),
  oldestUncommittedMs: gauge('epaxos_oldest_uncommitted_seconds', 'The age of the oldest uncommitted instance.', {
    ...{ scale: MS, status: 'oldestUncommittedMs' },
  }),

  instances: counter('epaxos_executed_instances_total', 'Executed instances.'),
  instancesHeld: gauge('epaxos_held_instances', 'Instances that some member may not have executed.'),
  heldBytes: gauge('epaxos_held_bytes', 'About the memory that these instances take.'),
  instancesForgotten: counter('epaxos_forgotten_instances_total', 'Instances forgotten: all members executed them.'),
  commands: counter('epaxos_executed_commands_total', 'Executed commands.', { status: 'counts.commands' }),
  cycles: counter('epaxos_executed_cycles_total', 'Executed components of more than one instance.', {
    status: 'counts.cycles',
  }),
  voidBatches: counter('epaxos_void_batches_total', 'Batches that a faulty peer made, skipped by all.'),
  sessions: gauge('epaxos_sessions', 'Open sessions.', { status: 'sessions.open' }),
  sessionNumbers: gauge('epaxos_session_requests', 'Requests that sessions remember.', { status: 'sessions.numbers' }),
  sessionBytes: gauge('epaxos_session_result_bytes', 'The cost of the results that sessions keep.', {
    status: 'sessions.bytes',
  }),
  tombstones: gauge('epaxos_session_tombstones', 'Names of closed sessions that are remembered.'),
  ticks: counter('epaxos_session_ticks_total', 'Ticks of the clock of the sessions since the cluster was founded.'),
  sweeps: counter('epaxos_session_sweeps_total', 'Sweeps of the sessions, and ticks, since the cluster was founded.'),

  done: counter('epaxos_answers_total', ANSWERS, { labels: { outcome: 'done' } }),
  refused: counter('epaxos_answers_total', ANSWERS, { labels: { outcome: 'refused' }, by: 'code' }),
  unknown: counter('epaxos_answers_total', ANSWERS, { labels: { outcome: 'unknown' }, by: 'code' }),
  answerMs: {
    ...{ name: 'epaxos_answer_seconds', kind: 'histogram', help: 'From the arrival of a group of commands to done.' },
  },
  reads: counter('epaxos_quorum_reads_total', 'Groups of reads without the log, by how they ended.', {
    by: 'outcome',
  }),
  readKeys: counter('epaxos_quorum_read_keys_total', 'Keys read without the log.'),
  readsWaited: counter('epaxos_quorum_read_waits_total', READ_WAITS, { labels: { for: 'execution' } }),
  readsBlocked: counter('epaxos_quorum_read_waits_total', READ_WAITS, { labels: { for: 'payload' } }),
  running: gauge('epaxos_running_instances', 'Own instances that were proposed and have not executed.'),
  runningWork: gauge('epaxos_admission_running_work', 'The cost of the commands in them, in units of work.'),
  runningLimit: gauge('epaxos_admission_limit_work', 'The limit of that cost; it follows the flight time.'),
  flightMs: gauge('epaxos_admission_flight_seconds', 'From proposal to execution, on average.', { scale: MS }),
  waiting: gauge('epaxos_waiting_groups', 'Groups of commands that are neither answered nor given up.'),
  waitingBytes: gauge('epaxos_waiting_bytes', 'Bytes of commands that wait for their proposal.'),

  journalBytes: gauge('epaxos_journal_bytes', 'The size of the journal.', { status: 'journalBytes' }),
  journalValues: counter('epaxos_journal_values_total', 'Values written to the journal since it was made.'),
  checkpoints: counter('epaxos_checkpoints_total', 'Checkpoints that were taken.'),
  checkpointFailures: counter('epaxos_checkpoint_failures_total', 'Checkpoints that could not be written.'),
  checkpointBytes: gauge('epaxos_checkpoint_bytes', 'The size of the last checkpoint.'),
  checkpointsInstalled: counter('epaxos_checkpoints_installed_total', 'Checkpoints of peers that were installed.', {
    status: 'catchUp.installed',
  }),
  checkpointGivenBytes: counter('epaxos_checkpoint_given_bytes_total', 'Bytes of checkpoints given to peers.'),
  checkpointsNotYet: counter('epaxos_checkpoint_not_yet_total', 'Requests that no checkpoint was new enough for.'),
  fetchedBytes: gauge('epaxos_fetched_bytes', 'What has arrived of the checkpoint that is fetched from a peer.', {
    status: 'catchUp.receivedBytes',
  }),
  fetchBytes: gauge('epaxos_fetch_bytes', 'The size of the checkpoint that is fetched; 0 if none is.', {
    status: 'catchUp.bytes',
  }),
  fetchRemainingMs: gauge(
    'epaxos_fetch_remaining_seconds',
    'How long the rest takes at the speed so far; 0: unknown.',
    {
      ...{ scale: MS, status: 'catchUp.remainingMs' },
    },
  ),
  replayMs: gauge('epaxos_replay_seconds', 'The duration of the last replay.', { scale: MS, status: 'replayMs' }),
  freeBytes: gauge('epaxos_disk_free_bytes', 'Free space of the disk, at the last look.'),
  nearlyFull: gauge('epaxos_disk_nearly_full', 'Whether updates are refused because the disk is nearly full.'),
  full: gauge('epaxos_disk_full', 'Whether the replica takes no part because the disk is full.'),

  connections: gauge('epaxos_client_connections', 'Open connections to the client port.'),
  clientLinks: gauge('epaxos_client_links', 'WebSockets of the client library among them.'),
  clientsDropped: counter('epaxos_clients_dropped_total', 'WebSockets that broke the rules or took no answers.'),
}

type Details = Omit<Row, 'name' | 'kind' | 'help'>

function counter(name: Row['name'], help: string, details: Details = {}): Row {
  return { name, kind: 'counter', help, ...details }
}

function gauge(name: Row['name'], help: string, details: Details = {}): Row {
  return { name, kind: 'gauge', help, ...details }
}

/** What `GET /status` shows of the numbers. */
export interface StatusNumbers {
  /** Each change of the members makes the next one. */
  readonly epoch: number
  /** Per row: every slot up to here is committed, or has executed, here. */
  readonly committed: readonly number[]
  readonly executed: readonly number[]
  readonly counts: {
    /** Own instances committed in one round trip, and those that needed a second one. */
    readonly fast: number
    readonly slow: number
    /** Instances that this replica committed by recovering them. */
    readonly recovered: number
    readonly noop: number
    /** Executed commands, and executed components of more than one instance. */
    readonly commands: number
    readonly cycles: number
    /** Messages dropped because they could not be read, or because no replica sends them. */
    readonly dropped: number
    /** Requests of peers beyond their allowance: not answered; the peer asks again. */
    readonly deferred: number
  }
  /**
   * What sessions keep for repetitions: the number of open sessions, their request numbers, and the cost of their
   * results.
   */
  readonly sessions: { readonly open: number; readonly numbers: number; readonly bytes: number }
  readonly oldestUncommittedMs: number
  /**
   * Checkpoints of peers installed since the start; and the one that is fetched now: what has arrived, its size (0 if
   * none is), and how long the rest takes at the speed so far.
   */
  readonly catchUp: {
    readonly installed: number
    readonly receivedBytes: number
    readonly bytes: number
    readonly remainingMs: number
  }
  readonly journalBytes: number
  /** How long the last replay of the journal took. */
  readonly replayMs: number
}

/** Of numbers by reason or code, the sum. */
function shown(value: Numbers[keyof Numbers]): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.values(value as Each).reduce((sum, one) => sum + one, 0)
}

export function statusOf(numbers: Numbers): StatusNumbers {
  const status: Record<string, unknown> = {}
  for (const [number, { status: path }] of Object.entries(TABLE)) {
    if (path === undefined) continue
    const [outer, inner] = path.split('.') as [string, string?]
    const value = shown(numbers[number as keyof Numbers])
    if (inner === undefined) status[outer] = value
    else status[outer] = { ...(status[outer] as object), [inner]: value }
  }
  return status as unknown as StatusNumbers
}
