/** A node that has lost cluster.json, whose token has expired: what it still knows, and what it asks for where that is not enough. */
import assert from 'node:assert/strict'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { createCertificateAuthority } from '../../../src/dev-cluster/certificate-authority.ts'
import { statusResponse } from './fakes.ts'
import { configurationWith, DAY_MS, HOUR_MS, MINUTE_MS, tokenDiscovery } from './fixtures.ts'
import { Stage } from './loop-stage.ts'

const CA = '/etc/kubernetes/pki/ca.crt'
const CA_FILE = '/etc/node-bootstrap/ca.crt'
const KUBECONFIG = '/etc/kubernetes/kubelet.conf'
const RECORD = '/var/lib/node-bootstrap/cluster.json'

type Discovery = (stage: Stage) => Record<string, unknown>
const pinned: Discovery = ({ cluster }) => tokenDiscovery({ caCertHashes: [cluster.ca.caCertHash] })
const byCaFile: Discovery = () => tokenDiscovery({ caCertHashes: [], caFile: CA_FILE })
const pinless: Discovery = () => tokenDiscovery({ caCertHashes: [], unsafeSkipCAVerification: true })

const written = async ({ files }: Stage, path: string, text: string): Promise<void> => {
  files.entries.delete(path)
  await files.createSynced(path, Buffer.from(text), 0o600)
}

/** Joined by one discovery; then, under another or the same, without its record and with a token that has expired. */
async function forgetful(
  discovery: Discovery,
  forMs: number,
  prepare: (stage: Stage) => void | Promise<void> = () => undefined,
  now: Discovery = discovery,
): Promise<Stage> {
  const before = new Stage()
  await written(before, CA_FILE, before.cluster.ca.certificatePem)
  before.loop.reconfigure(configurationWith({ discovery: discovery(before) }))
  await before.runFor(10 * MINUTE_MS)
  assert.equal(before.status.state, 'healthy')
  const { clock, files, cluster } = before
  clock.afterSleep = () => undefined
  files.entries.delete(RECORD)
  const stage = new Stage({ configuration: configurationWith({ discovery: now(before) }), clock, files, cluster })
  cluster.fault = ({ path }) =>
    path.endsWith('/cluster-info') ? new BootstrapError('token-unknown', 'there is no signature') : undefined
  await prepare(stage)
  await stage.runFor(forMs)
  return stage
}

describe('Loop: a node without cluster.json, whose token has expired', () => {
  const vouchers: readonly [voucher: string, discovery: Discovery, sentence: RegExp][] = [
    ['pins', pinned, /its CA has a pinned public key/],
    ['a CA file', byCaFile, /its CA is in caFile/],
  ]
  for (const [voucher, discovery, sentence] of vouchers)
    it(`knows its cluster again by its own files and ${voucher}, and renews as itself`, async () => {
      const stage = await forgetful(discovery, 23 * HOUR_MS)
      assert.equal(stage.status.state, 'healthy')
      const said = stage.status.cluster?.evidence.verified.join('\n') ?? ''
      assert.match(said, /kubelet\.conf and \/etc\/kubernetes\/pki\/ca\.crt name the cluster/)
      assert.match(said, sentence)
      assert.match(said, /accepts the certificate of this node/)
      assert.notEqual(stage.files.text(RECORD), undefined)
      assert.deepEqual(
        stage.cluster.posts.map(({ requester }) => requester),
        ['bootstrap', 'node'],
      )
      assert.equal(stage.messages('warn').filter((line) => line.includes('cluster.json was lost')).length, 1)
    })

  const stranger = createCertificateAuthority()
  const refused: readonly [sentence: string, prepare: (stage: Stage) => void | Promise<void>, now?: Discovery][] = [
    ['where nothing in join.yaml vouches for the CA', () => undefined, pinless],
    [
      'where join.yaml has the pin of another CA',
      () => undefined,
      () => tokenDiscovery({ caCertHashes: [stranger.caCertHash] }),
    ],
    ['where the CA file holds another', (stage) => written(stage, CA_FILE, stranger.certificatePem), byCaFile],
    ['where ca.crt is not its own', (stage) => written(stage, CA, stage.cluster.ca.certificatePem)],
    ['where ca.crt is damaged', (stage) => written(stage, CA, (stage.files.text(CA) ?? '').slice(0, 200))],
    [
      'where the kubeconfig is not its own',
      (stage) => written(stage, KUBECONFIG, (stage.files.text(KUBECONFIG) ?? '').replace(/^#.*\n/, '# by another\n')),
    ],
    [
      'where its certificate has lapsed',
      ({ clock }) => {
        clock.step(2 * DAY_MS)
      },
    ],
    [
      'where the server does not take its certificate',
      ({ cluster }) => {
        const { fault } = cluster
        cluster.fault = (seen) => (seen.requester === 'node' ? statusResponse(401, 'Unauthorized') : fault(seen))
      },
    ],
  ]
  for (const [sentence, prepare, now] of refused)
    it(`says what to supply ${sentence}, and makes no request`, async () => {
      const stage = await forgetful(pinned, HOUR_MS, prepare, now)
      const { state, problem } = stage.status
      assert.deepEqual([state, problem?.code], ['degraded', 'rejoin-needs-credential'])
      assert.match(problem?.message ?? '', /^it is not known any more which cluster this node belongs to/)
      assert.match(problem?.hint ?? '', /kubeadm token create.*discovery\.token\.token/)
      assert.equal(stage.files.text(RECORD), undefined)
      assert.equal(stage.cluster.posts.length, 1)
    })
})
