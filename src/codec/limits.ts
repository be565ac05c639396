import { MAX_FOOTPRINT_KEYS } from '../engine/footprint.ts'
import { MAX_GROUP_BYTES } from '../execution/groups.ts'
import { INCARNATION_BYTES } from '../protocol/membership.ts'
import { MAX_PROBE_KEYS } from '../protocol/messages.ts'

export { INCARNATION_BYTES, MAX_GROUP_BYTES }

/**
 * Every limit of the formats, with its reason. Whatever exceeds a limit is refused by its maker (`too_large`) and by
 * its reader (`malformed`, `damaged`). Sizes are in bytes unless the name says otherwise.
 */

/**
 * The version of all formats: peer and client messages, journal, key hash. Handshakes and data directories carry it;
 * only equal versions work together.
 */
export const FORMAT_VERSION = 5

/**
 * The longest frame on any link: a batch at its limits, and the other messages of a turn. A receiver must be able to
 * buffer this much.
 */
export const MAX_FRAME_BYTES = 16 << 20

/** The commands of one batch: half a frame, so that a batch at its limits fits with its footprint. */
export const MAX_BATCH_BYTES = 8 << 20

/** Keys that one batch names, each 8 bytes of footprint: 4 MiB. */
export const MAX_BATCH_KEYS = MAX_FOOTPRINT_KEYS

/** The footprint of a batch, in 32-bit words: a header and two lanes per key. */
export const MAX_FOOTPRINT_WORDS = 1 + 2 * MAX_BATCH_KEYS

/** Members of an epoch. Beyond 9, quorums cost more than they give; vectors stay on two cache lines. */
export const MAX_REPLICAS = 16

/** Instances in one ValidateOk: many times what can be in flight, and a fifth of a frame. */
export const MAX_CONFLICTS = 1 << 18

/** The keys of a Probe: two lanes for each. */
export const MAX_PROBE_WORDS = 2 * MAX_PROBE_KEYS

/** For each key of a Probe one instance per row. */
export const MAX_PROBE_WRITERS = MAX_PROBE_KEYS * MAX_REPLICAS

/** Gaps between the executed slots of a replica that asks for a checkpoint: 1.5 MiB, and far more than there are. */
export const MAX_RUNS = 1 << 16

/** A chunk of a checkpoint, or its seal. */
export const MAX_CHECKPOINT_CHUNK_BYTES = 1 << 20

/** Chunks of a checkpoint in one CheckpointAsk: all of them wait at the sender to be sent. */
export const MAX_CHECKPOINT_CHUNKS = 64

/** Slots that one Ask asks for: bounds the work of answering one message. */
export const MAX_ASK_SLOTS = 1 << 16

/** Distinguishes clusters: a hash of the incarnations of the members. */
export const CLUSTER_ID_BYTES = 16

/** Distinguishes backups: a SHA-256 hash of everything in one. */
export const ORIGIN_BYTES = 32

/** One start of a data directory: random, so that nobody guesses it and no two are equal. */
export const START_NONCE_BYTES = 16

/**
 * By so many bytes of its nonce an earlier start is named in a handshake, and so many of them: the latest.
 */
export const EARLIER_START_BYTES = 4
export const MAX_EARLIER_STARTS = 128

/** The server's random challenge to a client. */
export const NONCE_BYTES = 32

/** The answer to a challenge: room for a SHA-512 hash. */
export const MAX_PROOF_BYTES = 64

/** The address of a replica that clients get. */
export const MAX_URL_BYTES = 256

/** The id of a cluster: a hash in hexadecimal, with room to spare. */
export const MAX_CLUSTER_ID_BYTES = 128

/** The results of one request: a frame without its headers. */
export const MAX_RESULTS_BYTES = MAX_FRAME_BYTES - (64 << 10)

/** A stable error code. */
export const MAX_CODE_BYTES = 64

/** A token that names what had executed at a replica: the cluster, the epoch, and one slot per row as decimal text. */
export const MAX_TOKEN_BYTES = 512

/** The explanation of an error for people; longer ones are cut. */
export const MAX_MESSAGE_BYTES = 1024

/** The id of a client session. */
export const MAX_SESSION_BYTES = 64

/** A key of the key-value store. */
export const MAX_KEY_BYTES = 1024

/** A value of the key-value store. */
export const MAX_VALUE_BYTES = 1 << 20

/** Records in one journal value: far more than one turn makes. */
export const MAX_RECORDS = 1 << 20

/** Depth of tables in any message (the envelope and its body), for the verifier. */
export const MAX_DEPTH = 4

/** 64-bit numbers are whole and below 2⁵³: their upper lane is below this. */
export const MAX_UPPER_LANE = 2 ** 21

const HEADER_BYTES = 4096
if (MAX_BATCH_BYTES + 4 * MAX_FOOTPRINT_WORDS + HEADER_BYTES > MAX_FRAME_BYTES)
  throw new RangeError('a batch must fit a frame')
if (12 * MAX_CONFLICTS + HEADER_BYTES > MAX_FRAME_BYTES) throw new RangeError('a ValidateOk must fit a frame')
if (16 * MAX_PROBE_WRITERS + HEADER_BYTES > MAX_FRAME_BYTES) throw new RangeError('a ProbeOk must fit a frame')
if (2 * MAX_GROUP_BYTES > MAX_BATCH_BYTES) throw new RangeError('two requests must fit a batch')
if (MAX_VALUE_BYTES + MAX_KEY_BYTES + HEADER_BYTES > MAX_GROUP_BYTES)
  throw new RangeError('a key and a value must fit a request')
