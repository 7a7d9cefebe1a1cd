import assert from 'node:assert/strict'
import { formatEndpoint, parseConfiguration, type JoinConfiguration } from '../../../src/config/index.ts'

const pin = `sha256:${'0123456789abcdef'.repeat(4)}`
const minimal = `apiVersion: node-bootstrap/v1
kind: JoinConfiguration
discovery:
  token:
    endpoints: ["10.0.0.10:6443", "[0:0::1]:6443"]
    token: abcdef.0123456789abcdef
    caCertHashes: ["${pin.toUpperCase()}"]
`

function valid(text: string, hostName = 'Host-1'): JoinConfiguration {
  const result = parseConfiguration(text, { file: 'join.yaml', hostName })
  assert.ok('configuration' in result, 'it has problems')
  return result.configuration
}

function problems(text: string, hostName = 'host-1') {
  const result = parseConfiguration(text, { file: '/etc/join.yaml', hostName })
  return 'problems' in result ? result.problems : []
}

describe('parseConfiguration', () => {
  it('fills in every default of a minimal file', () => {
    const { discovery, ...rest } = valid(minimal)
    assert.deepEqual(rest, {
      node: { name: 'host-1' },
      bootstrap: {},
      certificate: { keyAlgorithm: 'ECDSA-P256', rotation: { owner: 'agent', window: [0.7, 0.9] } },
      recovery: { rejoin: 'same-cluster' },
      metrics: {},
      kubelet: { config: '/var/lib/kubelet/config.yaml' },
      files: {
        kubeconfig: '/etc/kubernetes/kubelet.conf',
        certificates: '/var/lib/kubelet/pki',
        ca: '/etc/kubernetes/pki/ca.crt',
        state: '/var/lib/node-bootstrap',
        runtime: '/run/node-bootstrap',
      },
      hooks: { afterJoin: [], afterRenew: [] },
      log: { level: 'info', format: 'auto' },
      policy: { require: [] },
    })
    assert.equal(discovery.timeoutMs, 300_000)
  })

  it('takes a hundred endpoints, and no more', () => {
    const withEndpoints = (count: number): string =>
      minimal.replace(/\[.*6443"\]/, JSON.stringify(Array.from({ length: count }, (_, index) => `api-${index}:6443`)))
    assert.deepEqual(problems(withEndpoints(100)), [])
    assert.deepEqual(
      problems(withEndpoints(101)).map(({ message }) => message),
      ['has 101 entries, more than 100'],
    )
  })

  it('settles the forms of endpoints, pins and tokens', () => {
    const { discovery } = valid(minimal)
    assert.ok(discovery.kind === 'token')
    assert.deepEqual(discovery.endpoints, [
      { host: '10.0.0.10', port: 6443 },
      { host: '::1', port: 6443 },
    ])
    assert.deepEqual(discovery.endpoints.map(formatEndpoint), ['10.0.0.10:6443', '[::1]:6443'])
    assert.deepEqual(discovery.caCertHashes, ['0123456789abcdef'.repeat(4)])
    assert.equal(discovery.unsafeSkipCAVerification, false)
    assert.ok(discovery.token.kind === 'inline')
    assert.equal(discovery.token.token.id, 'abcdef')
    assert.equal(discovery.token.token.secret.reveal(), '0123456789abcdef')
  })

  it('keeps pins where verification may be skipped: they are enforced anyway', () => {
    const { discovery } = valid(minimal.replace('    token:', '    unsafeSkipCAVerification: true\n    token:'))
    assert.ok(discovery.kind === 'token')
    assert.equal(discovery.unsafeSkipCAVerification, true)
    assert.equal(discovery.caCertHashes.length, 1)
  })

  it('normalises paths and keeps what belongs to https discovery', () => {
    const text = `apiVersion: node-bootstrap/v1
kind: JoinConfiguration
discovery:
  https: {url: "https://config.example.com/a?b=c", caFile: /etc//x/../ca.crt}
  timeout: 1.5m
certificate: {duration: 24h}
`
    const { discovery, certificate } = valid(text)
    assert.ok(discovery.kind === 'https')
    assert.equal(discovery.url.href, 'https://config.example.com/a?b=c')
    assert.deepEqual([discovery.caFile, discovery.caCertHashes, discovery.timeoutMs], ['/etc/ca.crt', [], 90_000])
    assert.equal(certificate.durationMs, 86_400_000)
  })

  const names: [name: string, given: string, node: string][] = [
    ['trims and lower-cases the name', '" Worker-1 "', 'worker-1'],
    ['takes a name with dots', 'worker-1.example.com', 'worker-1.example.com'],
    ['takes a name that only looks like a word of YAML 1.1, in quotes', '"no"', 'no'],
    ['takes a name of digits, in quotes', '"123"', '123'],
    ['takes parts of 63 characters', 'a'.repeat(63), 'a'.repeat(63)],
  ]
  for (const [name, given, node] of names) {
    it(name, () => {
      assert.equal(valid(`${minimal}node: {name: ${given}}\n`).node.name, node)
    })
  }

  const badNames: [name: string, given: string, message: string][] = [
    ['refuses parts of 64 characters', 'a'.repeat(64), 'has a part of 64 characters, more than 63'],
    ['refuses 254 characters', `${'a.'.repeat(126)}aa`, 'has 254 characters, more than 253'],
    ['refuses a hyphen at the end of a part', 'worker-.example', 'has a part that begins or ends with a hyphen'],
    ['refuses a dot at the end', 'worker-1.', 'has a dot with nothing before or after it'],
    ['refuses nothing but white space', '"  "', 'is empty'],
    ['refuses letters that DNS lacks', 'wörker', 'has characters other than a-z, 0-9, hyphen and dot'],
  ]
  for (const [name, given, message] of badNames) {
    it(name, () => {
      const [problem] = problems(`${minimal}node: {name: ${given}}\n`)
      assert.deepEqual([problem?.path, problem?.message], ['node.name', message])
    })
  }

  it('asks for node.name where the host name is no node name', () => {
    const found = problems(minimal, 'my_host')
    assert.deepEqual(found, [
      {
        file: '/etc/join.yaml',
        line: 1,
        column: 1,
        path: 'node.name',
        message: 'is not given, and the host name is no node name: it has an underscore, which DNS names lack',
        expected: 'an RFC 1123 name here, such as worker-1',
      },
    ])
    assert.deepEqual(problems(`${minimal}node: {name: worker-1}\n`, 'my_host'), [])
  })

  it('does not take a key of Object.prototype for a known one', () => {
    for (const key of ['__proto__', 'constructor', 'toString']) {
      const found = problems(`${minimal}${key}: {discovery: 1}\n`)
      assert.equal(found.length, 1, key)
    }
  })

  it('reads a megabyte of comments, and refuses a byte more', () => {
    const comment = '#'.repeat(1024 * 1024 - minimal.length - 1)
    assert.equal(problems(`${minimal}${comment}\n`).length, 0)
    assert.equal(problems(`${minimal}${comment}#\n`)[0]?.message, 'is larger than 1 MiB')
  })

  it('refuses more than 64 KiB that are no comments, before the YAML reader works on them', () => {
    const started = performance.now()
    assert.equal(problems('"'.repeat(1024 * 1024))[0]?.message, 'is larger than 64 KiB without its comments')
    assert.ok(performance.now() - started < 1000)
  })

  it('reports problems in the order of their places', () => {
    const found = problems(`${minimal}log: {level: x, format: y}\nnode: {name: _}\n`)
    assert.deepEqual(
      found.map(({ line, column, path }) => [line, column, path]),
      [
        [8, 14, 'log.level'],
        [8, 25, 'log.format'],
        [9, 14, 'node.name'],
      ].map(([line, column, path]) => [line, column, path]),
    )
  })
})
