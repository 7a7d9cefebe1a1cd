/** What an agent is crashed in: each a way from what is on the disk to a node that is well. A new action adds its own here. */
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { createCertificateAuthority } from '../../src/dev-cluster/certificate-authority.ts'
import { askForRenewal } from '../../src/store/asked-renewal.ts'
import { writePendingRequest } from '../../src/store/pending-request.ts'
import type { SimulatedAgent } from '../harness/simulation/agent.ts'
import { DAY_MS, PATHS, type World } from '../harness/simulation/world.ts'

export interface Scenario {
  name: string
  /** A node that has joined, with what its disk, its clock or join.yaml is given then; undefined begins with nothing. */
  afterJoin?: (world: World, agent: SimulatedAgent) => Promise<void> | void
  /** Before a first join. */
  beforeJoin?: (world: World) => void
  /** Sections of join.yaml. */
  overrides?: Readonly<Record<string, unknown>>
  /** Certificate signing requests that it takes, however often the agent dies on the way. */
  requests: 0 | 1
  /** Files that stay, beside those of every node. */
  alsoKept?: RegExp
}

const HOUR_MS = DAY_MS / 24
const HOOKS = {
  afterJoin: [{ command: ['/bin/true'] }],
  afterRenew: [{ command: ['/bin/true'] }, { command: ['/bin/false'] }],
}

const nextCaPem = createCertificateAuthority({ commonName: 'kubernetes-next' }).certificatePem

const KEY_BLOCK = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/

const timeOf = (agent: SimulatedAgent, which: 'renewAt' | 'notAfter'): number =>
  Date.parse(agent.status?.certificate?.[which] ?? '')

function passUntil(world: World, ms: number): void {
  world.clock.pass(ms - world.clock.nowMs() + HOUR_MS / 60)
}

export const scenarios: readonly Scenario[] = [
  { name: 'a join', requests: 1 },
  { name: 'a join with hooks', overrides: { hooks: HOOKS }, requests: 1 },
  {
    name: 'a join where another program’s kubeconfig and CA are',
    beforeJoin: ({ disk }) => {
      disk.put(PATHS.kubeconfig, 'kind: Config\n# another’s\n')
      disk.put(PATHS.ca, 'another’s\n')
    },
    requests: 1,
    alsoKept: /\.before-node-bootstrap$/,
  },
  {
    name: 'a renewal',
    afterJoin: (world, agent) => {
      passUntil(world, timeOf(agent, 'renewAt'))
    },
    requests: 1,
  },
  {
    name: 'a renewal with hooks, the third certificate of its node',
    overrides: { hooks: HOOKS },
    afterJoin: async (world, agent) => {
      const first = agent.status?.certificate?.fingerprint
      passUntil(world, timeOf(agent, 'renewAt'))
      const isRenewed = (): boolean => agent.isAtRest && agent.status?.certificate?.fingerprint !== first
      await world.runUntil(agent, isRenewed, HOUR_MS)
      passUntil(world, timeOf(agent, 'renewAt'))
    },
    requests: 1,
  },
  {
    name: 'a renewal that was asked for',
    afterJoin: async ({ disk }, agent) => {
      const fingerprint = agent.status?.certificate?.fingerprint.replace('SHA256:', '')
      assert.ok(fingerprint !== undefined)
      await askForRenewal(disk, PATHS.state, fingerprint)
    },
    requests: 1,
  },
  {
    name: 'a renewal that was denied, when the pause after it is over',
    afterJoin: async (world, agent) => {
      passUntil(world, timeOf(agent, 'renewAt'))
      world.judge = () => 'deny'
      await world.runUntil(agent, () => agent.status?.problem?.code === 'csr-denied', HOUR_MS)
      world.judge = () => 'approve'
      world.clock.pass(HOUR_MS)
    },
    requests: 1,
  },
  {
    name: 'a renewal that waits while join.yaml is edited, and is denied then',
    afterJoin: async (world, agent) => {
      passUntil(world, timeOf(agent, 'renewAt'))
      world.judge = () => 'leave'
      await world.runUntil(agent, () => agent.status?.request?.createdAt !== undefined, HOUR_MS)
      const waiting = agent.status?.request?.name
      world.configure({ certificate: { keyAlgorithm: 'ECDSA-P384' } })
      world.judge = ({ metadata }) => (metadata.name === waiting ? 'deny' : 'approve')
    },
    requests: 1,
  },
  {
    name: 'a renewal whose request was deleted while join.yaml was edited, and no agent ran',
    afterJoin: async (world, agent) => {
      passUntil(world, timeOf(agent, 'renewAt'))
      world.judge = () => 'leave'
      await world.runUntil(agent, () => agent.status?.request?.createdAt !== undefined, HOUR_MS)
      world.configure({ certificate: { keyAlgorithm: 'ECDSA-P384' } })
      agent.kill()
      world.deleteRequests()
      world.judge = () => 'approve'
    },
    requests: 1,
  },
  {
    name: 'a re-join after the certificate has lapsed',
    afterJoin: (world, agent) => {
      passUntil(world, timeOf(agent, 'notAfter'))
    },
    requests: 1,
  },
  {
    name: 'a re-join after the certificates were deleted',
    afterJoin: ({ disk }) => {
      disk.take(PATHS.certificates)
    },
    requests: 1,
  },
  {
    name: 'a serving certificate beside the one of a node that has joined',
    afterJoin: (world) => {
      world.configure({ certificate: { serving: { addresses: ['10.0.0.21'] } } })
    },
    requests: 1,
    alsoKept: /\/(kubelet-server-[\w.-]+\.pem|serving\/keys-made\.json)$/,
  },
  {
    name: 'a link that is put back',
    afterJoin: ({ disk }) => {
      disk.take(PATHS.current)
    },
    requests: 0,
  },
  {
    name: 'a pair that others may read',
    afterJoin: async ({ disk }) => {
      const target = await disk.realPath(PATHS.current)
      assert.ok(target !== undefined)
      disk.put(target, disk.text(PATHS.current) ?? '', 0o644)
    },
    requests: 0,
  },
  {
    name: 'a renewal whose key others may read while it waits for approval',
    afterJoin: async (world, agent) => {
      passUntil(world, timeOf(agent, 'renewAt'))
      world.judge = () => 'leave'
      await world.runUntil(agent, () => agent.status?.request?.createdAt !== undefined, HOUR_MS)
      world.disk.put(PATHS.pendingRequest, world.disk.text(PATHS.pendingRequest) ?? '', 0o644)
      world.judge = () => 'approve'
    },
    requests: 0,
  },
  {
    name: 'a first certificate that was never accepted, and the request it answers, whose key others may read',
    afterJoin: async ({ disk }) => {
      const key = createPrivateKey(KEY_BLOCK.exec(disk.text(PATHS.current) ?? '')?.[0] ?? '')
      const request = '-----BEGIN CERTIFICATE REQUEST-----\nMA==\n-----END CERTIFICATE REQUEST-----\n'
      const rest = { usages: ['client auth'], expirationSeconds: undefined, names: undefined, unsentSince: undefined }
      await writePendingRequest(disk, PATHS.state, { key, request, name: 'node-csr-first', ...rest })
      disk.put(PATHS.pendingRequest, disk.text(PATHS.pendingRequest) ?? '', 0o644)
    },
    requests: 0,
  },
  {
    name: 'a changed configuration, whose cluster is discovered anew',
    afterJoin: (world) => {
      const { endpoint, caCertHash } = world.cluster
      const pins = [caCertHash, `sha256:${'a'.repeat(64)}`]
      world.configure({ discovery: { token: { endpoints: [endpoint], token: world.token, caCertHashes: pins } } })
    },
    requests: 0,
  },
  {
    name: 'a CA rotation, a new CA being published beside the old one',
    afterJoin: (world) => {
      world.publish(nextCaPem + world.cluster.caPem)
    },
    requests: 0,
  },
  {
    name: 'a CA rotation, the CA that nothing is signed by being dropped',
    beforeJoin: (world) => {
      world.publish(nextCaPem + world.cluster.caPem)
    },
    afterJoin: (world) => {
      world.publish(world.cluster.caPem)
    },
    requests: 0,
  },
  {
    name: 'a CA rotation, and a renewal that is due with it',
    afterJoin: (world, agent) => {
      world.publish(world.cluster.caPem + nextCaPem)
      passUntil(world, timeOf(agent, 'renewAt'))
    },
    requests: 1,
  },
]
