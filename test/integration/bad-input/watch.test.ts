import assert from 'node:assert/strict'
import type { DevCluster } from '../../../src/dev-cluster/dev-cluster.ts'
import type { InjectedResponse, RecordedRequest } from '../../../src/dev-cluster/tls-server.ts'
import type { ErrorCode } from '../../../src/lib/error-codes.ts'
import { assertClear, assertPaced, createScene, DEADLINE_MS, itConcurrently, problemsIn, waitForJoin } from './scene.ts'

const isWatch = ({ path }: Readonly<RecordedRequest>): boolean => /[?&]watch=true/.test(path)

const events = (...lines: (string | object)[]): InjectedResponse => ({
  status: 200,
  headers: { 'Content-Type': 'application/json' },
  body: lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''),
})

const expired = {
  type: 'ERROR',
  object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version: 1 (300)' },
}

/** The cluster's own object under another name, uid or none of ours at all. */
function event(type: string, cluster: DevCluster, metadata: object): object {
  const [object] = cluster.listCertificateSigningRequests()
  return { type, object: { ...object, metadata: { ...object?.metadata, ...metadata } } }
}

interface Row {
  name: string
  answer: (cluster: DevCluster) => InjectedResponse | 'destroy'
  code: ErrorCode
}

const rows: readonly Row[] = [
  { name: 'that ends at once', answer: () => events(), code: 'connection-lost' },
  { name: 'that is cut at once', answer: () => 'destroy', code: 'connection-lost' },
  { name: 'of lines that are no JSON', answer: () => events('<html>', '{{{'), code: 'response-malformed' },
  { name: 'of JSON that is no event', answer: () => events('[]', '{"type":"NEWS"}'), code: 'response-malformed' },
  {
    name: 'of an event without an object',
    answer: () => events({ type: 'MODIFIED', object: null }),
    code: 'response-malformed',
  },
  { name: 'of a line without end', answer: () => events('x'.repeat(1_100_000)), code: 'response-malformed' },
  { name: 'whose resourceVersion is always too old', answer: () => events(expired), code: 'expired' },
  {
    name: 'that is refused with 410',
    answer: () => ({
      status: 410,
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(expired.object),
    }),
    code: 'expired',
  },
  {
    name: 'of changes of another request',
    answer: (cluster) => events(event('MODIFIED', cluster, { name: 'node-csr-of-someone-else', uid: 'other' })),
    code: 'connection-lost',
  },
  {
    name: 'of the deletion of another request',
    answer: (cluster) => events(event('DELETED', cluster, { name: 'node-csr-of-someone-else', uid: 'other' })),
    code: 'connection-lost',
  },
  {
    name: 'of a deletion that did not happen',
    answer: (cluster) => events(event('DELETED', cluster, {})),
    code: 'not-found',
  },
  {
    name: 'of another object of our name',
    answer: (cluster) => events(event('MODIFIED', cluster, { uid: 'other' })),
    code: 'not-found',
  },
]

const PROBLEMS = 3

describe('a watch', () => {
  itConcurrently(
    rows,
    async ({ answer, code }) => {
      await using scene = await createScene({ clusterOptions: { approval: 'manual' } })
      const { cluster } = scene
      cluster.respond = (request) => (isWatch(request) ? answer(cluster) : undefined)
      const agent = scene.daemon()
      for (let from = 0, count = 0; count < PROBLEMS; count += 1) {
        const line = await agent.waitForLine(/"code":/, { from, timeoutMs: DEADLINE_MS })
        from = agent.lines.indexOf(line, from) + 1
      }
      const watches = cluster.requests.filter(isWatch).length
      const problems = problemsIn(agent.lines)
      assert.deepEqual([...new Set(problems.map((problem) => problem.code))], [code], agent.lines.join('\n'))
      for (const problem of problems) {
        assertClear(problem)
        assert.ok(problem.retryInSeconds !== undefined, 'it is not tried again')
      }
      assertPaced(agent.lines)
      // Each watch ended in a problem of its own and a pause; one more may have begun since.
      assert.ok(watches <= problems.length + 1, `${watches} watches for ${problems.length} problems`)

      cluster.respond = undefined
      const [request, ...more] = cluster.listCertificateSigningRequests()
      assert.ok(request !== undefined && more.length === 0, 'more than one request was made')
      cluster.approve(request.metadata.name)
      await waitForJoin(agent)
      assert.equal(cluster.listCertificateSigningRequests().length, 1)
    },
    6,
  )
})
