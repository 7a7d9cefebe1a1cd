import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { parseCertificateRequest } from '../../src/dev-cluster/certificate-request.ts'
import { SIGNER } from '../../src/dev-cluster/certificate-signing-requests.ts'
import { askedRenewalPath } from '../../src/store/asked-renewal.ts'
import { startEmbeddedControlPlane, type EmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { newSeed, seededRandom } from '../harness/seeded-random.ts'
import { temporaryDirectory, type TemporaryDirectory } from '../harness/temporary-directory.ts'
import { tellFigures } from '../harness/figures.ts'
import { publishAuthorities } from '../harness/published-authorities.ts'
import { checkBundle, hasAuthority } from './invariants.ts'
import { unsynced } from './unsynced.ts'
import { checkNothingLeftOver, checkPairs, Secrecy } from './killed-disk.ts'
import { KilledNode, writePreload, type KillPoint, type Way } from './killed.ts'

/** What is tried of each scenario in the short form; CRASH=all tries every point. */
const SAMPLE = 9
const IS_WHOLE = process.env['CRASH'] === 'all'
const SEED = Number(process.env['CRASH_SEED'] ?? newSeed())

interface Scenario {
  name: string
  /** Sections of join.yaml. */
  overrides?: Readonly<Record<string, unknown>>
  /** What has become of a node that has joined; undefined begins with nothing. */
  afterJoin?: (node: KilledNode) => void
  /** Default: joins. */
  way?: Way
  /** There is a pair from the beginning. */
  hasPair: boolean
  /** Certificate signing requests that it takes, however often the agent dies on the way. */
  requests: 0 | 1 | 2
  /** Pairs of the kubelet's server that there are in the end; default: none. */
  serving?: 1
  /** The CA bundle that the cluster publishes once the node has joined; default: its own CA alone. */
  published?: (controlPlane: EmbeddedControlPlane) => string
}

const scenarios: readonly Scenario[] = [
  { name: 'a join', hasPair: false, requests: 1 },
  {
    name: 'a join with a serving certificate',
    overrides: { certificate: { serving: { addresses: ['10.0.0.21'] } } },
    // Who ends with the join does not wait for that one.
    way: 'stays',
    hasPair: false,
    requests: 2,
    serving: 1,
  },
  {
    name: 'a renewal',
    hasPair: true,
    requests: 1,
    afterJoin: ({ files, currentPath }) => {
      const { fingerprint256 } = new X509Certificate(readFileSync(currentPath))
      const certificate = fingerprint256.replaceAll(':', '').toLowerCase()
      writeFileSync(askedRenewalPath(files.state), JSON.stringify({ certificate }), { mode: 0o600 })
    },
  },
  {
    name: 'a re-join after the certificates were deleted',
    hasPair: false,
    requests: 1,
    afterJoin: ({ files }) => {
      rmSync(files.certificates, { recursive: true })
    },
  },
  {
    name: 'a CA rotation',
    hasPair: true,
    requests: 0,
    afterJoin: () => undefined,
    // Who ends with the join does not look for another bundle.
    way: 'stays',
    published: ({ caPem, nextCaPem }) => nextCaPem + caPem,
  },
]

/** An administrator who is quick: nothing in Kubernetes approves a serving certificate by itself. */
function approveServing({ cluster }: EmbeddedControlPlane): void {
  cluster.respond = ({ path }) => {
    if (!path.includes('watch=')) return undefined
    for (const { metadata, spec, status } of cluster.listCertificateSigningRequests())
      if (spec.signerName === SIGNER.kubeletServing && status.conditions === undefined)
        cluster.approve(metadata.name, { reason: 'ApprovedByTest', message: 'approved by a test' })
    return undefined
  }
}

/** Two at a time: that many cores the tests may count on. */
const LANES = ['lane-a', 'lane-b'] as const

describe('the real agent is killed by SIGKILL at an effect of', function () {
  this.timeout(IS_WHOLE ? 3_600_000 : 600_000)
  let directory: TemporaryDirectory
  let controlPlane: EmbeddedControlPlane
  let preload: string
  const totals = { points: 0, tried: 0 }

  before(async () => {
    directory = await temporaryDirectory()
    controlPlane = await startEmbeddedControlPlane()
    approveServing(controlPlane)
    preload = writePreload(directory.path)
  })
  afterEach(() => {
    publishAuthorities(controlPlane.cluster, controlPlane.caPem)
  })
  after(async () => {
    const { points, tried } = totals
    const how = IS_WHOLE ? '' : ` (CRASH_SEED=${SEED}; CRASH=all tries all)`
    tellFigures(`${tried} of ${points} points of SIGKILL${how}`)
    await controlPlane.stop()
    await directory[Symbol.asyncDispose]()
  })

  async function prepared(
    {
      name: what,
      overrides = {},
      afterJoin,
      way = 'joins',
    }: Pick<Scenario, 'name' | 'overrides' | 'afterJoin' | 'way'>,
    lane: string,
  ): Promise<KilledNode> {
    const name = `${lane}-${what.replaceAll(' ', '-')}`
    const node = await KilledNode.create({ directory: directory.path, name, preload, controlPlane, overrides })
    if (afterJoin !== undefined) {
      const { code, agent } = await node.run()
      assert.equal(code, 0, agent.lines.join('\n'))
      afterJoin(node)
    }
    node.way = way
    node.keep()
    return node
  }

  const bundleOf = ({ published }: Scenario): string => published?.(controlPlane) ?? controlPlane.caPem

  const requestsOf = (node: KilledNode): string[] =>
    controlPlane.cluster
      .listCertificateSigningRequests()
      .map(({ spec }) => parseCertificateRequest(Buffer.from(spec.request, 'base64')))
      .filter(({ commonName }) => commonName === `system:node:${node.name}`)
      .map(({ subjectPublicKeyInfo }) => Buffer.from(subjectPublicKeyInfo).toString('hex'))

  async function killAt(node: KilledNode, point: KillPoint, scenario: Scenario): Promise<void> {
    const { hasPair, requests, serving = 0 } = scenario
    node.reset()
    const before = requestsOf(node)
    const secrecy = new Secrecy(node)
    const crashed = await node.runToCrash(point)
    assert.equal(crashed.signal, 'SIGKILL', `it was not reached:\n${crashed.agent.lines.join('\n')}`)
    secrecy.check(crashed.agent.lines)
    checkPairs(node, hasPair)
    if (hasPair || existsSync(node.files.ca))
      assert.ok(
        hasAuthority(readFileSync(node.files.ca, 'utf8'), controlPlane.caPem),
        'ca.crt does not vouch for the server',
      )
    const { code, agent } = await node.run()
    assert.equal(code, 0, agent.lines.join('\n'))
    secrecy.check([...crashed.agent.lines, ...agent.lines])
    checkPairs(node, true)
    checkNothingLeftOver(node, serving)
    checkBundle(readFileSync(node.files.ca, 'utf8'), bundleOf(scenario))
    const after = requestsOf(node)
    assert.equal(new Set(after).size, after.length, 'two requests are for one key')
    assert.equal(after.length - before.length, requests, 'another number of requests was made')
    totals.tried += 1
  }

  for (const scenario of scenarios)
    it(`${scenario.name}, and goes on from there`, async () => {
      const nodes = await Promise.all(LANES.map((lane) => prepared(scenario, lane)))
      publishAuthorities(controlPlane.cluster, bundleOf(scenario))
      const [first] = nodes
      assert.ok(first !== undefined)
      const points = await first.points()
      totals.points += points.length
      const left = IS_WHOLE ? points : sample(points, SAMPLE)
      await Promise.all(
        nodes.map(async (node) => {
          for (;;) {
            const point = left.pop()
            if (point === undefined) return
            await killAt(node, point, scenario).catch((cause: unknown) => {
              const why = cause instanceof Error ? cause.message : String(cause)
              throw new Error(`killed ${point.when} ${point.where}, ${point.effect}: ${why}`, { cause })
            })
          }
        }),
      )
    })

  it('a write, whose content is synced before it is renamed, and whose entry before the API server hears of anything', async () => {
    const node = await prepared({ name: 'a traced join' }, 'lane-c')
    const effects = (await node.points()).filter(({ when }) => when === 'before').map(({ effect }) => effect)
    assert.deepEqual(unsynced(effects), [])
  })
})

/** The same for the same seed. */
function sample<Item>(items: readonly Item[], count: number): Item[] {
  const left = [...items]
  const random = seededRandom(SEED)
  return Array.from({ length: Math.min(count, items.length) }, () =>
    left.splice(Math.floor(random.fraction() * left.length), 1),
  ).flat()
}
