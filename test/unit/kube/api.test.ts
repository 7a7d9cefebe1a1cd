/** Requests to the API server over a fake http port: addresses, headers, answers, and the CSR resource's calls. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { ApiClient, apiUrl, type ApiServer } from '../../../src/kube/api-request.ts'
import {
  usagesFor,
  CLIENT_SIGNER,
  parseRequestObject,
  requestObject,
} from '../../../src/kube/certificate-signing-request.ts'
import { submitRequest, watchRequest } from '../../../src/kube/csr-api.ts'
import { wantsKeyEncipherment } from '../../../src/kube/server-version.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { Secret } from '../../../src/lib/secret.ts'
import { fakeHttp, status, type Answer } from '../../harness/fake-http.ts'
import { bootstrapErrorOf } from '../../harness/thrown.ts'

const NOW_MS = Date.UTC(2026, 10, 23, 12)
const clock = { nowMs: () => NOW_MS, monotonicMs: () => 0, bootId: () => undefined, sleep: () => Promise.resolve() }
const { signal } = new AbortController()
const server = new URL('https://api:6443')
const verified = { server, trust: { roots: ['PEM'] } }
const api: ApiServer = { ...verified, credential: { kind: 'anonymous' } }
const talking = (...answers: (Answer | Error)[]) => {
  const http = fakeHttp(...answers)
  return { http, client: new ApiClient(http, clock, 'agent/1') }
}

describe('apiUrl', () => {
  for (const [base, expected] of [
    ['https://a:6443', 'https://a:6443/api/v1?x=a%26b%3Dc'],
    ['https://a:6443/', 'https://a:6443/api/v1?x=a%26b%3Dc'],
    ['https://a/k8s/c1', 'https://a/k8s/c1/api/v1?x=a%26b%3Dc'],
    ['https://a/k8s/c1/', 'https://a/k8s/c1/api/v1?x=a%26b%3Dc'],
    ['https://[fd00::1]:6443', 'https://[fd00::1]:6443/api/v1?x=a%26b%3Dc'],
  ] as const)
    it(`goes below ${base} and leaves it as it is`, () => {
      const url = new URL(base)
      assert.equal(apiUrl(url, '/api/v1', { x: 'a&b=c' }).href, expected)
      assert.equal(url.href, new URL(base).href)
    })
})

describe('a request to an API server', () => {
  const get = { method: 'GET', path: '/x', signal } as const

  it('carries a token in one header, a certificate in none, and an anonymous one nothing', async () => {
    const { http, client } = talking({ body: {} })
    const identity = { certificateChain: 'PEM', privateKey: generateKeyPairSync('ed25519').privateKey }
    await client.request({ ...verified, credential: { kind: 'token', token: new Secret('id.secret') } }, get)
    await client.request({ ...verified, credential: { kind: 'certificate', identity } }, get)
    await client.request({ server, trust: 'unverified', credential: { kind: 'anonymous' } }, get)
    assert.deepEqual(
      http.requests.map(({ headers, clientIdentity, trust }) => [headers?.['authorization'], clientIdentity, trust]),
      [
        ['Bearer id.secret', undefined, { roots: ['PEM'] }],
        [undefined, identity, { roots: ['PEM'] }],
        [undefined, undefined, 'unverified'],
      ],
    )
    assert.deepEqual(http.requests[2]?.headers, { accept: 'application/json', 'user-agent': 'agent/1' })
    // @ts-expect-error The types forbid to show a credential to a server that nothing vouches for.
    const forbidden: ApiServer = { server, trust: 'unverified', credential: { kind: 'token', token: new Secret('x') } }
    assert(forbidden)
  })

  it('sends a body as JSON, and is bounded in time and size', async () => {
    const { http, client } = talking({ body: {} })
    await client.request(api, { ...get, method: 'POST', body: { a: 1 } })
    const [sent] = http.requests
    assert.deepEqual([sent?.body, sent?.headers?.['content-type']], ['{"a":1}', 'application/json'])
    assert.deepEqual([sent?.timeoutMs, sent?.maxBodyBytes], [10_000, 1024 * 1024])
  })

  it('remembers by how much the clocks differ, from any answer that has a date', async () => {
    const { client } = talking(
      { body: {} },
      { headers: { date: 'Mon, 23 Nov 2026 12:00:30 GMT' }, body: {} },
      { headers: { date: 'x' }, body: {} },
    )
    await client.request(api, get)
    assert.equal(client.clockSkewMs, undefined)
    await client.request(api, get)
    await client.request(api, get)
    assert.equal(client.clockSkewMs, 30_000)
  })

  it('gives the JSON of any success, and throws for all else', async () => {
    assert.deepEqual(await talking({ status: 201, body: { a: 1 } }).client.request(api, get), { a: 1 })
    assert.equal((await bootstrapErrorOf(talking({ body: '<html>' }).client.request(api, get))).code, 'not-kubernetes')
    assert.equal(
      (await bootstrapErrorOf(talking({ status: 199, body: {} }).client.request(api, get))).code,
      'not-kubernetes',
    )
    assert.equal((await bootstrapErrorOf(talking(status(300)).client.request(api, get))).code, 'redirect-refused')
  })

  it('reads the Status of a refused watch, in however many pieces it comes', async () => {
    const text = JSON.stringify(status(403).body)
    const { client } = talking({ status: 403, pieces: [text.slice(0, 9), text.slice(9)] })
    assert.equal((await bootstrapErrorOf(client.watch(api, get, 5))).code, 'forbidden')
  })

  it('reads no more of a refused watch than a Status needs', async () => {
    let read = 0
    const endless = {
      async *[Symbol.asyncIterator]() {
        for (;;) {
          read += 1
          yield await Promise.resolve(new Uint8Array(1024))
        }
      },
    }
    const http = { ...fakeHttp(), stream: () => Promise.resolve({ status: 500, headers: {}, chunks: endless }) }
    assert.equal((await bootstrapErrorOf(new ApiClient(http, clock, 'x').watch(api, get, 5))).code, 'server-failed')
    assert.equal(read, 65)
  })
})

const desired = {
  name: 'node-csr-x',
  request: 'PEM',
  signerName: CLIENT_SIGNER,
  usages: usagesFor('client auth', false),
  expirationSeconds: undefined,
}
const object = (more: object = {}, uid = 'u') => ({
  ...(requestObject(desired) as object),
  metadata: { name: desired.name, uid, resourceVersion: '7' },
  ...more,
})
const approved = object({ status: { conditions: [{ type: 'Approved', status: 'True' }] } })

describe('submitting a request', () => {
  for (const [name, list] of [
    ['of another kind', { kind: 'PodList', metadata: { resourceVersion: '9' }, items: [object()] }],
    ['without a resourceVersion', { kind: 'CertificateSigningRequestList', metadata: {}, items: [object()] }],
  ] as const)
    it(`takes a list ${name} for no answer`, async () => {
      const { client } = talking(status(409), { body: list })
      assert.equal((await bootstrapErrorOf(submitRequest(client, api, desired, signal))).code, 'response-malformed')
    })

  it('takes the creation of an object of another name for no answer', async () => {
    const metadata = { name: 'evil\u001b[2J', uid: 'u', resourceVersion: '7' }
    const { client } = talking({ status: 201, body: object({ metadata }) })
    const error = await bootstrapErrorOf(submitRequest(client, api, desired, signal))
    assert.equal(error.code, 'response-malformed')
    assert.doesNotMatch(error.message, /evil/)
  })

  it('creates it', async () => {
    const { http, client } = talking({ status: 201, body: object() })
    assert.equal((await submitRequest(client, api, desired, signal)).uid, 'u')
    assert.equal(http.requests[0]?.url.pathname, '/apis/certificates.k8s.io/v1/certificatesigningrequests')
    assert.deepEqual(JSON.parse(http.requests[0].body ?? ''), JSON.parse(JSON.stringify(requestObject(desired))))
  })

  it('finds the same one where it is there, and refuses another of the name', async () => {
    const listed = (...items: unknown[]) => ({
      // As a real server lists: its items say neither apiVersion nor kind.
      body: {
        kind: 'CertificateSigningRequestList',
        metadata: { resourceVersion: '9' },
        items: items.map((item) => ({ ...(item as object), apiVersion: undefined, kind: undefined })),
      },
    })
    const { http, client } = talking(status(409), listed(approved))
    const found = await submitRequest(client, api, desired, signal)
    assert.equal(found.outcome.kind, 'approved')
    // A watch can begin at the list's version; the object's own may be too old for the server.
    assert.equal(found.resourceVersion, '9')
    assert.equal(http.requests[1]?.url.searchParams.get('fieldSelector'), 'metadata.name=node-csr-x')
    assert.deepEqual(
      http.requests.map(({ method, url }) => `${method} ${url.pathname.split('/').pop() ?? ''}`),
      ['POST certificatesigningrequests', 'GET certificatesigningrequests'],
    )
    const foreign = talking(status(409), listed(object({ spec: {} }))).client
    assert.equal((await bootstrapErrorOf(submitRequest(foreign, api, desired, signal))).code, 'csr-foreign')
  })

  it('throws every other refusal, and once', async () => {
    for (const [answer, code] of [
      [status(403), 'forbidden'],
      [status(422), 'request-rejected'],
      [{ body: { kind: 'Pod' } }, 'response-malformed'],
    ] as const) {
      const { http, client } = talking(answer)
      assert.equal((await bootstrapErrorOf(submitRequest(client, api, desired, signal))).code, code)
      assert.equal(http.requests.length, 1)
    }
  })

  it('says so where it was deleted between the two', async () => {
    const list = { kind: 'CertificateSigningRequestList', metadata: { resourceVersion: '9' }, items: [] }
    const gone = talking(status(409), { body: list }).client
    assert.equal((await bootstrapErrorOf(submitRequest(gone, api, desired, signal))).code, 'conflict')
  })
})

describe('watching a request', () => {
  const seen = parseRequestObject(object())
  assert(seen !== undefined)
  const watch = (...events: unknown[]) => {
    const { http, client } = talking({
      pieces: events.map((event) => `${typeof event === 'string' ? event : JSON.stringify(event)}\n`),
    })
    const changes: string[] = []
    const onChange = ({ outcome }: { outcome: { kind: string } }): void => void changes.push(outcome.kind)
    return { http, changes, news: watchRequest(client, api, seen, onChange, 300, signal) }
  }

  it('asks for changes of this one after what was seen', async () => {
    const { http, news } = watch()
    assert.deepEqual(await news, { kind: 'ended', request: seen })
    const [sent] = http.requests
    assert.deepEqual(Object.fromEntries(sent?.url.searchParams ?? []), {
      fieldSelector: 'metadata.name=node-csr-x',
      resourceVersion: '7',
      allowWatchBookmarks: 'true',
      watch: 'true',
      timeoutSeconds: '300',
    })
    assert.equal(sent?.streamTimeoutMs, 330_000)
  })

  const bookmark = { type: 'BOOKMARK', object: { metadata: { resourceVersion: '12' } } }
  const denied = object({ status: { conditions: [{ type: 'Denied', status: 'True' }] } })
  const stranger = { ...object(), metadata: { name: 'other', uid: 'x', resourceVersion: '8' } }
  for (const [name, events, expected, heard] of [
    ['a denial', [{ type: 'MODIFIED', object: denied }], 'decided', ['denied']],
    ['an approval, and goes on to the end', [{ type: 'MODIFIED', object: approved }], 'ended', ['approved']],
    ['nothing, where it changed in what does not matter', [{ type: 'MODIFIED', object: object() }], 'ended', []],
    ['what follows a bookmark', [bookmark, { type: 'MODIFIED', object: denied }], 'decided', ['denied']],
    ['its deletion', [{ type: 'DELETED', object: object() }], 'gone', []],
    ['another object of its name', [{ type: 'ADDED', object: object({}, 'other') }], 'gone', []],
    ['nothing of other names', [{ type: 'DELETED', object: stranger }], 'ended', []],
  ] as const)
    it(`tells ${name}`, async () => {
      const { news, changes } = watch(...events)
      assert.equal((await news).kind, expected)
      assert.deepEqual(changes, heard)
    })

  it('goes on from the last bookmark', async () => {
    const news = await watch(bookmark).news
    assert.equal(news.kind === 'ended' && news.request.resourceVersion, '12')
  })

  for (const [name, event, code] of [
    ['410, which is to begin anew', { type: 'ERROR', object: { code: 410 } }, 'expired'],
    ['another error', { type: 'ERROR', object: { code: 500 } }, 'server-failed'],
    ['an unknown event', { type: 'X' }, 'response-malformed'],
    ['an object that is no request', { type: 'ADDED', object: { kind: 'Pod' } }, 'response-malformed'],
    ['a line that is no JSON', 'x', 'response-malformed'],
  ] as const)
    it(`throws ${code} for ${name}`, async () => {
      assert.equal((await bootstrapErrorOf(watch(event).news)).code, code)
    })
})

describe('whether a server wants key encipherment', () => {
  for (const [name, answer, wanted] of [
    ['1.20', { body: { major: '1', minor: '20' } }, true],
    ['1.26 with a plus sign', { body: { major: '1', minor: '26+' } }, true],
    ['1.27', { body: { major: '1', minor: '27' } }, false],
    ['1.36 with a plus sign', { body: { major: '1', minor: '36+' } }, false],
    ['1.100', { body: { major: '1', minor: '100' } }, false],
    ['2.0', { body: { major: '2', minor: '0' } }, false],
    ['numbers in place of text', { body: { major: 1, minor: 20 } }, false],
    ['a minor version that is no number', { body: { major: '1', minor: 'x' } }, false],
    ['an empty object', { body: {} }, false],
    ['a refusal', status(403), false],
    ['no such path', status(404), false],
    ['a page of a load balancer', { body: '<html>' }, false],
    ['a redirect', { status: 302 }, false],
  ] as const)
    it(`is ${wanted ? 'so' : 'not so'} with ${name}`, async () => {
      const { http, client } = talking(answer)
      assert.equal(await wantsKeyEncipherment(client, api, signal), wanted)
      assert.equal(http.requests[0]?.url.pathname, '/version')
    })

  it('is not guessed where the credential is refused or the server fails', async () => {
    for (const [answer, code] of [
      [status(401), 'unauthorized'],
      [status(500), 'server-failed'],
      [new BootstrapError('unreachable', 'x'), 'unreachable'],
    ] as const)
      assert.equal((await bootstrapErrorOf(wantsKeyEncipherment(talking(answer).client, api, signal))).code, code)
  })
})
