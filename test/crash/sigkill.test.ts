import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseCertificateRequest } from '../../src/dev-cluster/certificate-request.ts'
import { askedRenewalPath } from '../../src/store/asked-renewal.ts'
import { startEmbeddedControlPlane, type EmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { newSeed, seededRandom } from '../harness/seeded-random.ts'
import { temporaryDirectory, type TemporaryDirectory } from '../harness/temporary-directory.ts'
import { tellFigures } from '../harness/figures.ts'
import { publishAuthorities } from '../harness/published-authorities.ts'
import { checkBundle, hasAuthority } from './invariants.ts'
import { unsynced } from './unsynced.ts'
import { KilledNode, writePreload, type KillPoint } from './killed.ts'

/** What is tried of each scenario in the short form; CRASH=all tries every point. */
const SAMPLE = 12
const IS_WHOLE = process.env['CRASH'] === 'all'
const SEED = Number(process.env['CRASH_SEED'] ?? newSeed())

interface Scenario {
  name: string
  /** What has become of a node that has joined; undefined begins with nothing. */
  afterJoin?: (node: KilledNode) => void
  /** There is a pair from the beginning. */
  hasPair: boolean
  /** Certificate signing requests that it takes, however often the agent dies on the way. */
  requests: 0 | 1
  /** The CA bundle that the cluster publishes once the node has joined; default: its own CA alone. */
  published?: (controlPlane: EmbeddedControlPlane) => string
}

const scenarios: readonly Scenario[] = [
  { name: 'a join', hasPair: false, requests: 1 },
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
    // Who ends with the join does not look for another bundle.
    afterJoin: (node) => {
      node.way = 'stays'
    },
    published: ({ caPem, nextCaPem }) => nextCaPem + caPem,
  },
]

/** Two at a time: that many cores the tests may count on. */
const LANES = ['lane-a', 'lane-b'] as const

describe('the real agent is killed by SIGKILL at an effect of', function () {
  this.timeout(IS_WHOLE ? 3_600_000 : 600_000)
  let directory: TemporaryDirectory
  let controlPlane: EmbeddedControlPlane
  let preload: string
  const totals = { points: 0, tried: 0, unreached: 0 }

  before(async () => {
    directory = await temporaryDirectory()
    controlPlane = await startEmbeddedControlPlane()
    preload = writePreload(directory.path)
  })
  afterEach(() => {
    publishAuthorities(controlPlane.cluster, controlPlane.caPem)
  })
  after(async () => {
    const { points, tried, unreached } = totals
    const how = IS_WHOLE ? '' : ` (CRASH_SEED=${SEED}; CRASH=all tries all)`
    tellFigures(`${tried} of ${points} points of SIGKILL, ${unreached} of them not reached${how}`)
    await controlPlane.stop()
    await directory[Symbol.asyncDispose]()
  })

  async function prepared(
    { name, afterJoin }: Pick<Scenario, 'name' | 'afterJoin'>,
    lane: string,
  ): Promise<KilledNode> {
    const nodeName = `${lane}-${name.replaceAll(' ', '-')}`
    const node = await KilledNode.create(directory.path, nodeName, preload, controlPlane)
    if (afterJoin !== undefined) {
      const { code, agent } = await node.run()
      assert.equal(code, 0, agent.lines.join('\n'))
      afterJoin(node)
    }
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
    const { hasPair, requests } = scenario
    node.reset()
    const before = requestsOf(node)
    const crashed = await node.runToCrash(point)
    totals.tried += 1
    if (crashed.signal !== 'SIGKILL') {
      assert.equal(crashed.code, 0, crashed.agent.lines.join('\n'))
      totals.unreached += 1
    }
    checkDisk(node)
    if (hasPair) checkPair(node)
    if (hasPair || existsSync(node.files.ca))
      assert.ok(
        hasAuthority(readFileSync(node.files.ca, 'utf8'), controlPlane.caPem),
        'ca.crt does not vouch for the server',
      )
    const { code, agent } = await node.run()
    assert.equal(code, 0, agent.lines.join('\n'))
    checkDisk(node)
    checkPair(node)
    checkNothingLeftOver(node)
    checkBundle(readFileSync(node.files.ca, 'utf8'), bundleOf(scenario))
    const after = requestsOf(node)
    assert.equal(new Set(after).size, after.length, 'two requests are for one key')
    assert.equal(after.length - before.length, requests, 'another number of requests was made')
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
              throw new Error(`killed ${point.when} effect ${point.number}, ${point.effect}: ${why}`, { cause })
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

function* everyFile(directory: string): Generator<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) yield join(entry.parentPath, entry.name)
}

const rootOf = ({ files }: KilledNode): string => join(files.state, '../../..')

/** Secrets are for their owner alone, in their places. */
function checkDisk(node: KilledNode): void {
  for (const path of everyFile(rootOf(node))) {
    if (!readFileSync(path, 'latin1').includes('PRIVATE KEY')) continue
    assert.equal(statSync(path).mode & 0o077, 0, `${path} can be read by others`)
    const isPlace = path.startsWith(node.files.state) || path.startsWith(node.files.certificates)
    assert.ok(isPlace, `${path} holds a private key`)
  }
}

function checkPair({ currentPath }: KilledNode): void {
  const pem = readFileSync(currentPath, 'utf8')
  const key = createPrivateKey(pem.slice(pem.indexOf('-----BEGIN PRIVATE')))
  assert.ok(new X509Certificate(pem).checkPrivateKey(key))
}

const OF_EVERY_NODE = /\/(join\.yaml|effects|kubelet\.conf|ca\.crt|cluster\.json|keys-made\.json|status\.json|joined)$/

function checkNothingLeftOver(node: KilledNode): void {
  const left = [...everyFile(rootOf(node))].filter((path) => !OF_EVERY_NODE.test(path))
  const dated = left.filter((path) => /\/kubelet-client-2[\d.-]+\.pem$/.test(path))
  assert.deepEqual(
    left.filter((path) => !dated.includes(path)),
    [],
    'files are left over',
  )
  assert.ok(dated.length === 1 || dated.length === 2, `${dated.length} dated pairs`)
}
