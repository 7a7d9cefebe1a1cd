import assert from 'node:assert/strict'
import { parseConfiguration } from '../../../src/config/index.ts'

const HEAD = `apiVersion: node-bootstrap/v1
kind: JoinConfiguration
discovery: {file: {path: /etc/cluster-info.yaml}}
`
const parse = (rest: string): ReturnType<typeof parseConfiguration> =>
  parseConfiguration(HEAD + rest, { file: 'join.yaml', hostName: 'a-host' })

describe('certificate.serving', () => {
  it('is asked for by being there, and by nothing else', () => {
    const [without, empty] = [parse(''), parse('certificate: {serving: {}}')]
    assert.ok('configuration' in without && 'configuration' in empty)
    assert.equal(without.configuration.certificate.serving, undefined)
    assert.deepEqual(empty.configuration.certificate.serving, {})
  })

  it('has names in lower case and addresses in their short form', () => {
    const parsed = parse('certificate: {serving: {names: [Worker-1], addresses: ["fd00:0::21", "10.0.0.21"]}}')
    assert.ok('configuration' in parsed, JSON.stringify(parsed))
    assert.deepEqual(parsed.configuration.certificate.serving, {
      names: ['worker-1'],
      addresses: ['fd00::21', '10.0.0.21'],
    })
  })

  for (const [what, text, problem] of [
    ['an address that is none', 'certificate: {serving: {addresses: ["10.0.0"]}}', 'is no IP address'],
    ['an address with a zone', 'certificate: {serving: {addresses: ["fe80::1%eth0"]}}', 'has an IPv6 zone'],
    ['an empty list of addresses', 'certificate: {serving: {addresses: []}}', 'is an empty list'],
    [
      'a kubelet that renews itself',
      'certificate: {serving: {}, rotation: {owner: kubelet}}',
      'is given beside certificate.rotation.owner: kubelet',
    ],
  ] as const)
    it(`refuses ${what}`, () => {
      const parsed = parse(text)
      assert.ok('problems' in parsed)
      assert.deepEqual(
        parsed.problems.map(({ message }) => message),
        [problem],
      )
    })
})
