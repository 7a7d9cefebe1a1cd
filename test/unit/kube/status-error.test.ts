import assert from 'node:assert/strict'
import { retryAfterMs, statusError } from '../../../src/kube/status-error.ts'

const server = new URL('https://api.example.com:6443')
const answer = (status: number, body: string, headers: Record<string, string> = {}) =>
  statusError({ status, headers, body: Buffer.from(body) }, server)
const kubernetes = (message: string): string => JSON.stringify({ kind: 'Status', message })

describe('statusError', () => {
  for (const [status, withStatus, without] of [
    [300, 'redirect-refused', 'redirect-refused'],
    [302, 'redirect-refused', 'redirect-refused'],
    [304, 'redirect-refused', 'redirect-refused'],
    [400, 'request-rejected', 'not-kubernetes'],
    [401, 'unauthorized', 'not-kubernetes'],
    [403, 'forbidden', 'not-kubernetes'],
    [404, 'not-found', 'not-kubernetes'],
    [405, 'request-rejected', 'not-kubernetes'],
    [409, 'conflict', 'not-kubernetes'],
    [410, 'expired', 'not-kubernetes'],
    [422, 'request-rejected', 'not-kubernetes'],
    [429, 'throttled', 'throttled'],
    [500, 'server-failed', 'server-failed'],
    [503, 'server-failed', 'server-failed'],
    [599, 'server-failed', 'server-failed'],
    [101, 'response-malformed', 'not-kubernetes'],
  ] as const)
    it(`takes ${status} for ${withStatus} where Kubernetes says so, for ${without} where something else does`, () => {
      assert.equal(answer(status, kubernetes('x')).code, withStatus)
      assert.equal(answer(status, '<html>').code, without)
    })

  it('says what the API server said, on one printable line', () => {
    const { message, hint } = answer(403, kubernetes('no\n\u001b[31m access'))
    assert.equal(message, 'api.example.com:6443 answered 403: no [31m access')
    assert.doesNotMatch(hint, /proxy/)
  })

  it('never repeats a stranger’s body, only its type, and points to what may be in the way', () => {
    const { message, hint } = answer(403, '<html>secret', { 'content-type': 'text/html' })
    assert.equal(message, 'api.example.com:6443 answered 403: no Kubernetes Status (text/html)')
    assert.match(hint, /proxy or load balancer/)
    assert.match(answer(403, '').message, /an empty body/)
    assert.match(answer(403, 'x').message, /no content type/)
    assert.match(answer(403, '{"kind":"Table","message":"m"}').message, /no content type/)
  })

  for (const [name, location, expected] of [
    [
      'by its origin alone',
      'https://portal.example.com/login?session=secret#x',
      ', a redirect to https://portal.example.com',
    ],
    [
      'without a password',
      'http://me:hunter2@portal.example.com:8080/',
      ', a redirect to http://portal.example.com:8080',
    ],
    ['to its own path as the server itself', '/login', ', a redirect to https://api.example.com:6443'],
    ['to what has no host by its scheme', 'data:text/html,secret', ', a redirect to data:'],
    ['to no address not at all', 'https://', ''],
    ['of any length within bounds', `https://${'a.'.repeat(120)}b/`, `, a redirect to https://${'a.'.repeat(55)}a…`],
  ] as const)
    it(`names the target of a redirect ${name}`, () => {
      const { message } = answer(302, '', { location })
      assert.equal(message, `api.example.com:6443 answered 302${expected}: no Kubernetes Status (an empty body)`)
    })

  it('carries Retry-After on', () => {
    assert.equal(answer(429, '', { 'retry-after': '7' }).retryAfterMs, 7000)
    assert.equal(answer(429, '').retryAfterMs, undefined)
  })
})

describe('retryAfterMs', () => {
  const date = 'Mon, 23 Nov 2026 12:00:00 GMT'
  for (const [name, value, expected] of [
    ['seconds', '30', 30_000],
    ['no time at all', '0', 0],
    ['a date, against the server’s own clock', 'Mon, 23 Nov 2026 12:01:00 GMT', 60_000],
    ['a date that is past', 'Mon, 23 Nov 2026 11:00:00 GMT', 0],
    ['a year, which is cut to an hour', '31536000', 3_600_000],
    ['a date in a year, likewise', 'Tue, 23 Nov 2027 12:00:00 GMT', 3_600_000],
    ['more digits than a number has', '9'.repeat(400), 3_600_000],
    ['words', 'soon', undefined],
    ['words with a number in it, which Date.parse takes for a date', 'soon 3', undefined],
    ['a negative number', '-5', undefined],
    ['a fraction', '1.5', undefined],
    ['an empty value', '', undefined],
    ['two values', '3, 4', undefined],
    ['a date that is none', 'Mon, 99 Nov 2026 12:00:00 GMT', undefined],
  ] as const)
    it(`reads ${name}`, () => {
      assert.equal(retryAfterMs({ 'retry-after': value, date }), expected)
    })

  it('does not set a date against a clock of its own', () => {
    assert.equal(retryAfterMs({ 'retry-after': date }), undefined)
    assert.equal(retryAfterMs({ 'retry-after': date, date: 'yesterday 5' }), undefined)
  })
})
