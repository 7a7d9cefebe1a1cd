import assert from 'node:assert/strict'
import { configurationDigest, discoveryDigest } from '../../../src/agent/digests.ts'
import type { JoinConfiguration } from '../../../src/config/index.ts'
import { configurationWith, PIN, TOKEN_ID, TOKEN_SECRET, tokenDiscovery } from './fixtures.ts'

const base = configurationWith()
const otherSecret = `${TOKEN_ID}.${TOKEN_SECRET.split('').reverse().join('')}`

/** What each change must do to the digest of the discovery, and to that of the whole request. */
const changes: [string, Record<string, unknown>, discovery: boolean, request: boolean][] = [
  ['nothing', {}, false, false],
  ["the token's secret, which must not go in", { discovery: tokenDiscovery({ token: otherSecret }) }, false, false],
  ["the token's id", { discovery: tokenDiscovery({ token: `ghijkl.${TOKEN_SECRET}` }) }, true, true],
  ['the token becoming a file', { discovery: fileToken('/run/token') }, true, true],
  ['another endpoint', { discovery: tokenDiscovery({ endpoints: ['10.0.0.11:6443'] }) }, true, true],
  ['another pin', { discovery: tokenDiscovery({ caCertHashes: [`sha256:${'b'.repeat(64)}`] }) }, true, true],
  ['the skipping of CA verification', { discovery: tokenDiscovery({ unsafeSkipCAVerification: true }) }, true, true],
  ['a CA file', { discovery: tokenDiscovery({ caFile: '/etc/ca.crt' }) }, true, true],
  ['the time that discovery may take', { discovery: { ...tokenDiscovery(), timeout: '1m' } }, false, false],
  ['the node name', { node: { name: 'worker-2' } }, false, true],
  ["a bootstrap token's id", { bootstrap: { token: `ghijkl.${TOKEN_SECRET}` } }, false, true],
  ['the key algorithm', { certificate: { keyAlgorithm: 'RSA-2048' } }, false, true],
  ['the lifetime that is asked for', { certificate: { duration: '2h' } }, false, true],
  ['the window of the rotation', { certificate: { rotation: { window: [0.1, 0.2] } } }, false, false],
  ['the log level', { log: { level: 'debug' } }, false, false],
]

function fileToken(tokenFile: string): Record<string, unknown> {
  return { token: { endpoints: ['10.0.0.10:6443'], tokenFile, caCertHashes: [`sha256:${PIN}`] } }
}

describe('the digests of a configuration', () => {
  for (const [what, overrides, discovery, request] of changes)
    it(`${discovery ? 'take' : 'do not take'} ${what} for another discovery, and ${request ? 'do' : 'do not'} for another request`, () => {
      const changed = configurationWith(overrides)
      assert.equal(discoveryDigest(changed) !== discoveryDigest(base), discovery)
      assert.equal(configurationDigest(changed) !== configurationDigest(base), request)
    })

  it('tell two files with tokens apart', () => {
    const [one, other] = ['/run/one', '/run/other'].map((path) => configurationWith({ discovery: fileToken(path) }))
    assert.notEqual(discoveryDigest(one ?? base), discoveryDigest(other ?? base))
  })

  it('never have a secret among what is digested, not even redacted from one', () => {
    const secrets: string[] = []
    const watched = spied(base, secrets)
    discoveryDigest(watched)
    configurationDigest(watched)
    assert.deepEqual(secrets, [])
  })

  it('are SHA-256 and do not change from one release to the next without reason', () => {
    assert.match(discoveryDigest(base), /^sha256:[0-9a-f]{64}$/)
    assert.match(configurationDigest(base), /^sha256:[0-9a-f]{64}$/)
  })
})

/** The same configuration, whose secret tells when anything takes it into a text. */
function spied(configuration: JoinConfiguration, uses: string[]): JoinConfiguration {
  const { discovery } = configuration
  if (discovery.kind !== 'token' || discovery.token.kind !== 'inline') throw new Error('an inline token is needed')
  const { token } = discovery.token
  const secret = new Proxy(token.secret, {
    get: (_target, key) => {
      uses.push(String(key))
      return () => 'used'
    },
  })
  return { ...configuration, discovery: { ...discovery, token: { kind: 'inline', token: { id: token.id, secret } } } }
}
