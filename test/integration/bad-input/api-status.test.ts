import assert from 'node:assert/strict'
import { join } from 'node:path'
import { readFile } from 'node:fs/promises'
import type { DevCluster } from '../../../src/dev-cluster/dev-cluster.ts'
import type { InjectedResponse, RecordedRequest } from '../../../src/dev-cluster/tls-server.ts'
import { EXIT, type ErrorCode, type ExitStatus } from '../../../src/lib/error-codes.ts'
import { assertEndedWith, createScene, itConcurrently, type Scene, waitForJoin, waitForProblem } from './scene.ts'

const statusOf = (code: number, reason: string, headers: Record<string, string> = {}): InjectedResponse => ({
  status: code,
  headers: { 'Content-Type': 'application/json', ...headers },
  body: JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message: `no: ${reason}` }),
})

const answers = {
  401: statusOf(401, 'Unauthorized'),
  403: statusOf(403, 'Forbidden'),
  404: statusOf(404, 'NotFound'),
  409: statusOf(409, 'Conflict'),
  429: statusOf(429, 'TooManyRequests', { 'Retry-After': '1' }),
  500: statusOf(500, 'InternalError'),
  503: { status: 503, headers: { 'Content-Type': 'text/plain' }, body: 'no healthy upstream' },
  302: { status: 302, headers: { Location: '/elsewhere' }, body: '' },
} as const satisfies Record<number, InjectedResponse>

interface Row {
  status: keyof typeof answers
  code: ErrorCode
  exit: ExitStatus
}

const common: readonly Row[] = [
  { status: 429, code: 'throttled', exit: EXIT.unavailable },
  { status: 500, code: 'server-failed', exit: EXIT.unavailable },
  { status: 503, code: 'server-failed', exit: EXIT.unavailable },
  { status: 302, code: 'redirect-refused', exit: EXIT.protocol },
]

const places = [
  {
    place: 'cluster-info',
    isThere: ({ path }: RecordedRequest) => path.endsWith('/cluster-info'),
    rows: [
      { status: 401, code: 'anonymous-access-off', exit: EXIT.refused },
      { status: 403, code: 'cluster-info-forbidden', exit: EXIT.refused },
      { status: 404, code: 'cluster-info-missing', exit: EXIT.refused },
      { status: 409, code: 'conflict', exit: EXIT.temporary },
      ...common,
    ],
  },
  {
    place: 'certificate requests',
    isThere: ({ path }: RecordedRequest) => path.includes('/certificatesigningrequests'),
    rows: [
      // A veteran has no certificate any more that it could ask with instead.
      { status: 401, code: 'rejoin-needs-credential', exit: EXIT.refused },
      { status: 403, code: 'forbidden', exit: EXIT.refused },
      { status: 404, code: 'not-found', exit: EXIT.refused },
      { status: 409, code: 'conflict', exit: EXIT.temporary },
      ...common,
    ],
  },
] as const satisfies { place: string; isThere: (request: RecordedRequest) => boolean; rows: readonly Row[] }[]

const CLUSTER_RECORD = 'var/lib/node-bootstrap/cluster.json'

/** The name under which a veteran's key asks. */
async function requestName({ files }: Scene): Promise<string> {
  const text = await readFile(join(files.state, 'pending-request.pem'), 'utf8')
  return /^# certificatesigningrequest: (\S+),/.exec(text)?.[1] ?? ''
}

for (const { place, isThere, rows } of places) {
  const hook =
    (status: keyof typeof answers): DevCluster['respond'] =>
    (request) =>
      isThere(request) ? answers[status] : undefined

  describe(`a refusal from ${place}`, () => {
    const named = rows.map((row) => ({ ...row, name: `${row.status} is ${row.code}` }))
    itConcurrently(named, async ({ status, code, exit }) => {
      await using scene = await createScene({ veteran: true })
      const { cluster } = scene
      cluster.respond = hook(status)
      const before = await scene.snapshot()
      const outcome = await scene.once()
      assertEndedWith(outcome, code, exit)
      for (const { message } of outcome.problems) assert.ok(message.includes(`answered ${status}`), message)
      assert.ok(!cluster.requests.some(({ path }) => path === '/elsewhere'), 'the redirect was followed')
      const after = await scene.snapshot()
      // What was verified on the way there is kept.
      if (place !== 'cluster-info') after[CLUSTER_RECORD] = before[CLUSTER_RECORD] ?? ''
      assert.deepEqual(after, before)
    })

    it('does not end the daemon, which goes through all of them and joins with the key that it has', async () => {
      await using scene = await createScene({ veteran: true })
      const { cluster } = scene
      const name = await requestName(scene)
      cluster.respond = hook(rows[0].status)
      const agent = scene.daemon()
      for (const { status, code } of rows) {
        const from = agent.lines.length
        cluster.respond = hook(status)
        if (status !== rows[0].status) agent.kill('SIGHUP')
        await agent.waitForLine(new RegExp(`answered ${status}\\b.*"code":"${code}"`), { from })
      }
      cluster.respond = undefined
      agent.kill('SIGHUP')
      await waitForJoin(agent)
      assert.deepEqual(
        cluster.listCertificateSigningRequests().map(({ metadata }) => metadata.name),
        [name],
      )
    })

    it('with Retry-After is left alone for so long', async () => {
      await using scene = await createScene()
      const arrivals: number[] = []
      scene.cluster.respond = (request) => {
        if (!isThere(request)) return undefined
        arrivals.push(performance.now())
        return arrivals.length === 1 ? statusOf(429, 'TooManyRequests', { 'Retry-After': '2' }) : undefined
      }
      const agent = scene.daemon()
      const { retryInSeconds = 0 } = await waitForProblem(agent, 'throttled')
      assert.ok(retryInSeconds >= 2 && retryInSeconds <= 3, String(retryInSeconds))
      await waitForJoin(agent)
      const [first = 0, second = 0] = arrivals
      assert.ok(second - first >= 2000, `it was asked again after ${second - first} ms`)
    })
  })
}

describe('run --once', () => {
  it('does not wait for a Retry-After that lies beyond its own time', async () => {
    await using scene = await createScene()
    const { cluster } = scene
    cluster.respond = () => statusOf(429, 'TooManyRequests', { 'Retry-After': '3600' })
    assertEndedWith(await scene.once(), 'throttled', EXIT.unavailable)
    assert.equal(cluster.requests.length, 1)
  })
})

describe('a request of our name that is not ours', () => {
  it('is told, is not used, and does not end the daemon, which joins when it is gone', async () => {
    await using scene = await createScene({ veteran: true })
    const { cluster } = scene
    const name = await requestName(scene)
    await using other = await createScene({ veteran: true })
    const otherRequest = await foreignRequest(other)
    cluster.createCertificateSigningRequest({
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name },
      spec: { ...otherRequest, signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'] },
    })
    const before = await scene.snapshot()
    const outcome = await scene.once()
    assertEndedWith(outcome, 'csr-foreign', EXIT.protocol)
    assert.equal(outcome.problems.length, 1)
    assert.ok(outcome.problems[0]?.message.includes(name))
    assert.deepEqual({ ...(await scene.snapshot()), [CLUSTER_RECORD]: '' }, { ...before, [CLUSTER_RECORD]: '' })

    const agent = scene.daemon()
    await waitForProblem(agent, 'csr-foreign')
    cluster.deleteCertificateSigningRequest(name)
    agent.kill('SIGHUP')
    await waitForJoin(agent)
  })
})

async function foreignRequest({ files }: Scene): Promise<{ request: string }> {
  const text = await readFile(join(files.state, 'pending-request.pem'), 'utf8')
  const [block = ''] = /-----BEGIN CERTIFICATE REQUEST-----[^]+-----END CERTIFICATE REQUEST-----\n/.exec(text) ?? []
  return { request: Buffer.from(block).toString('base64') }
}
