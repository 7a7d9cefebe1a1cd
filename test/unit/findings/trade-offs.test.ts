import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { parseConfiguration, type JoinConfiguration } from '../../../src/config/index.ts'
import { createCertificateAuthority } from '../../../src/dev-cluster/certificate-authority.ts'
import { policyError, stopsJoining, violationsOf } from '../../../src/findings/policy.ts'
import { validationReport } from '../../../src/findings/report.ts'
import { tradeOffs, type TradeOffFacts } from '../../../src/findings/trade-offs.ts'
import type { Cluster } from '../../../src/kube/cluster.ts'
import { errorCodes } from '../../../src/lib/error-codes.ts'
import { findingFacts, REQUIREMENTS, type Finding, type FindingId } from '../../../src/lib/findings.ts'
import { parseCertificates, publicKeyPin } from '../../../src/pki/certificate.ts'

const PIN = 'a'.repeat(64)

function configured(discovery: object): JoinConfiguration {
  const document = { apiVersion: 'node-bootstrap/v1', kind: 'JoinConfiguration', discovery }
  const result = parseConfiguration(JSON.stringify(document), { file: 'join.yaml', hostName: 'host' })
  assert.ok('configuration' in result, JSON.stringify(result))
  return result.configuration
}

const byToken = (more: object = {}): JoinConfiguration =>
  configured({ token: { endpoints: ['10.0.0.10:6443', '10.0.0.11:443'], tokenFile: '/token', ...more } })
const pinned = byToken({ caCertHashes: [`sha256:${PIN}`] })

const found = (facts: Partial<TradeOffFacts>): Finding[] =>
  tradeOffs({ configuration: pinned, exposures: [], ...facts })
const ids = (facts: Partial<TradeOffFacts>): FindingId[] => found(facts).map(({ id }) => id)
/** Beside what discovery by token always is. */
const more = (facts: Partial<TradeOffFacts>): FindingId[] => ids(facts).filter((id) => id !== 'token-discovery')

describe('trade-offs of the configuration', () => {
  const rows: readonly [sentence: string, configuration: JoinConfiguration, expected: readonly FindingId[]][] = [
    [
      'a token without pin and caFile is the one that anybody may vouch for',
      byToken({ unsafeSkipCAVerification: true }),
      ['token-without-pin', 'token-discovery'],
    ],
    ['a pin proves the CA, and leaves the shared token', pinned, ['token-discovery']],
    ['a caFile proves the CA as well', byToken({ caFile: '/ca.crt' }), ['token-discovery']],
    [
      'a pin counts also beside the permission to do without one',
      byToken({ caCertHashes: [`sha256:${PIN}`], unsafeSkipCAVerification: true }),
      ['token-discovery'],
    ],
    ['https with nothing else trusts the system', configured({ https: { url: 'https://a/b' } }), ['system-roots']],
    ['https with a caFile does not', configured({ https: { url: 'https://a/b', caFile: '/ca.crt' } }), []],
    ['https with pins does not', configured({ https: { url: 'https://a/b', caCertHashes: [`sha256:${PIN}`] } }), []],
    ['a file is believed as it stands', configured({ file: { path: '/a.yaml' } }), ['file-without-ca']],
    ['a file with a caFile is not', configured({ file: { path: '/a.yaml', caFile: '/ca.crt' } }), []],
  ]
  for (const [sentence, configuration, expected] of rows)
    it(sentence, () => {
      assert.deepEqual(ids({ configuration }), expected)
    })
})

describe('trade-offs of the files', () => {
  it('name the file and its mode, and tell everybody from a group', () => {
    const [, all, group] = found({
      exposures: [
        { path: '/etc/join.yaml', mode: 0o644, readableBy: 'all' },
        { path: '/token', mode: 0o040, readableBy: 'group' },
      ],
    })
    assert.deepEqual(all, { id: 'secret-readable-by-all', seen: '/etc/join.yaml holds a secret and has mode 0644' })
    assert.deepEqual(group, { id: 'secret-readable-by-group', seen: '/token holds a secret and has mode 0040' })
  })

  it('name the file that others may write, and the directory on the way to one', () => {
    const [, file, directory, owned] = found({
      exposures: [
        { path: '/etc/ca.crt', mode: 0o666, writableBy: 'all', leadsTo: '/etc/ca.crt' },
        { path: '/srv', mode: 0o2775, writableBy: 'group', leadsTo: '/srv/token' },
        { path: '/srv/ca.crt', mode: 0o600, writableBy: 'owner', leadsTo: '/srv/ca.crt' },
      ],
    })
    const id = 'configuration-writable'
    assert.deepEqual(file, { id, seen: '/etc/ca.crt can be written by everybody (mode 0666)' })
    assert.deepEqual(directory, {
      id,
      seen: '/srv, on the way to /srv/token, can be written by its group (mode 02775)',
    })
    assert.deepEqual(owned, { id, seen: '/srv/ca.crt belongs to another user than root' })
  })
})

describe('trade-offs of the cluster', () => {
  const authorities = parseCertificates(
    createCertificateAuthority().certificatePem + createCertificateAuthority().certificatePem,
  )
  const [one, two] = authorities.map(publicKeyPin)
  const clusterAt = (server: string): Cluster => ({ server: new URL(server), authorities })

  it('say where the server is none of the endpoints, whatever form its port has', () => {
    const all = byToken({ caCertHashes: [`sha256:${one ?? ''}`, `sha256:${two ?? ''}`] })
    assert.deepEqual(more({ configuration: all, cluster: clusterAt('https://10.0.0.11') }), [])
    assert.deepEqual(more({ configuration: all, cluster: clusterAt('https://10.0.0.10:6443') }), [])
    assert.deepEqual(more({ configuration: all, cluster: clusterAt('https://10.0.0.10:443') }), ['server-elsewhere'])
    assert.match(
      found({ configuration: all, cluster: clusterAt('https://10.9.9.9:6443') })[1]?.seen ?? '',
      /names the server 10\.9\.9\.9:6443/,
    )
  })

  it('name each CA that is beside a pinned one', () => {
    const configuration = byToken({ caCertHashes: [`sha256:${one ?? ''}`] })
    const [, finding, ...others] = found({ configuration, cluster: clusterAt('https://10.0.0.11') })
    assert.equal(finding?.id, 'authority-not-pinned')
    assert.ok(finding.seen.endsWith(`: sha256:${two ?? ''}`), finding.seen)
    assert.deepEqual(others, [])
  })

  it('do not ask for a pin twice where there is none', () => {
    const configuration = byToken({ unsafeSkipCAVerification: true })
    assert.deepEqual(more({ configuration, cluster: clusterAt('https://10.0.0.11') }), ['token-without-pin'])
  })

  it('are none where a file names the server', () => {
    const configuration = configured({ file: { path: '/cluster-info.yaml', caFile: '/ca.crt' } })
    assert.deepEqual(ids({ configuration, cluster: clusterAt('https://10.9.9.9') }), [])
  })
})

describe('trade-offs of the approval', () => {
  const rows: readonly [sentence: string, reason: string, afterMs: number, automatic: boolean][] = [
    ['by Kubernetes’ own controller is automatic, however late', 'AutoApproved', 60_000, true],
    ['within a second is automatic, whoever calls it what', 'KubectlApprove', 1000, true],
    ['in the same second is automatic', '', 0, true],
    ['after two seconds may be a person', 'KubectlApprove', 2000, false],
    ['before the request was made is a clock, and says nothing', 'KubectlApprove', -1000, false],
    ['at a time that nobody tells says nothing', 'KubectlApprove', NaN, false],
  ]
  for (const [sentence, reason, afterMs, automatic] of rows)
    it(sentence, () => {
      assert.deepEqual(more({ approval: { reason, afterMs } }), automatic ? ['automatic-approval'] : [])
    })
})

describe('trade-offs after the join', () => {
  it('name the token that is still accepted by its id', () => {
    const [, finding] = found({ acceptedToken: { id: 'abcdef', atMs: Date.parse('2026-11-24T00:00:00Z') } })
    assert.equal(finding?.id, 'token-still-valid')
    assert.match(finding.seen, /bootstrap token abcdef .*2026-11-24T00:00:00\.000Z/)
  })
})

describe('policy.require', () => {
  const every = (Object.keys(findingFacts) as FindingId[]).map((id): Finding => ({ id, seen: `${id} was seen` }))

  it('has one requirement for each finding, and no two of a name', () => {
    assert.equal(new Set(REQUIREMENTS).size, every.length)
    for (const requirement of REQUIREMENTS) assert.equal(violationsOf(every, [requirement]).length, 1, requirement)
    assert.deepEqual(violationsOf(every, []), [])
  })

  it('is an error that says what was seen and what to do, and is not tried again', () => {
    const error = policyError(violationsOf(every, ['pinned', 'manual-approval']))
    assert.equal(error.code, 'policy-violated')
    assert.equal(error.retryable, false)
    assert.equal(
      error.message,
      'policy.require: pinned is not met: token-without-pin was seen; manual-approval is not met: automatic-approval was seen',
    )
    assert.ok(error.hint.startsWith(findingFacts['token-without-pin'].remedy))
    assert.equal(error.exitStatus, errorCodes['policy-violated'].exit)
  })

  it('stops no join by what shows only after it', () => {
    assert.deepEqual(
      every.filter((finding) => !stopsJoining(finding)).map(({ id }) => id),
      ['token-still-valid'],
    )
  })

  it('is what makes validate fail', () => {
    const finding: Finding = { id: 'system-roots', seen: 'it was seen' }
    const { consequence, remedy } = findingFacts['system-roots']
    assert.deepEqual(validationReport('join.yaml', { policy: { require: ['pinned'] } }, [finding]), {
      isUsable: true,
      lines: ['join.yaml: ok', `join.yaml: warning: system-roots: it was seen: ${consequence}; ${remedy}`],
    })
    assert.deepEqual(validationReport('join.yaml', { policy: { require: ['own-roots'] } }, [finding]), {
      isUsable: false,
      lines: [`join.yaml: error: system-roots: it was seen: ${consequence}; ${remedy} (policy.require: own-roots)`],
    })
  })
})

describe('docs/security.md', () => {
  const page = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8')

  it('lists exactly the findings, each as the program tells it', () => {
    const rows = page
      .split('\n')
      .map((line) => line.split('|').map((cell) => cell.trim()))
      .filter((cells) => /^`[a-z-]+`$/.test(cells[1] ?? '') && cells.length === 7)
      .map((cells) => cells.slice(1, -1))
    const expected = Object.entries(findingFacts).map(([id, { severity, requirement, consequence, remedy }]) => [
      `\`${id}\``,
      severity,
      `\`${requirement}\``,
      consequence,
      remedy,
    ])
    assert.deepEqual(rows, expected)
  })
})
