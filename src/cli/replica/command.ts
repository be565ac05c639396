import { command } from '../command.ts'
import { replicaFlags } from './flags.ts'

export const replica = command({
  name: 'replica',
  usage: '(--id I --peers HOST:PORT,… | --join HOST:PORT) --client HOST:PORT --data DIR [options]',
  summary: 'Runs one replica. It logs to stderr, one JSON object per line, and stops on SIGTERM, SIGINT or SIGHUP.',
  flags: replicaFlags,
  logs: true,
  notes: [
    'Exit codes: 0 stopped, 2 wrong usage or configuration, 3 the data directory is locked, foreign or newer,',
    '4 storage failed, 5 refused by more than f of its peers: another disk, or an older copy of it, has its votes;',
    'or removed from the cluster; 6 its state contradicts the others.',
    '',
    'The first start of a cluster needs all members: until each durably knows all others, no replica answers.',
    'Afterwards any majority is enough. /readyz needs a majority, so do not wait for it between the starts of',
    'replicas (Kubernetes: podManagementPolicy: Parallel, publishNotReadyAddresses: true). A copy of a data',
    'directory is no backup: never start a replica on one.',
    '',
    'With --join the replica belongs to no cluster, and waits until a member is told to take it in: `epaxos members',
    'add HOST:PORT`, or `replace ID HOST:PORT`, with an address at which the members reach it. It gets its id and',
    'the state from them. Start it again with the same command line. It needs a disk (durability fsync).',
  ].join('\n'),
  examples: [
    [
      'epaxos replica --id 0 --peers 127.0.0.1:7101,127.0.0.1:7102,127.0.0.1:7103 ' +
        '--client 127.0.0.1:7001 --data ./data/0',
      'the first of three on one machine',
    ],
    [
      'EPAXOS_SECRET=… epaxos replica --id 1 --peers a:7100,b:7100,c:7100 --client b:7000 --data /var/lib/epaxos',
      'the second of three on three machines',
    ],
    [
      'EPAXOS_SECRET=… epaxos replica --join d:7100 --client d:7000 --data /var/lib/epaxos',
      'a new one, for `epaxos members add d:7100`',
    ],
  ],
  run: async (given) => (await import('./run.ts')).runReplica(given),
})
