import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  KubeconfigError,
  parseKubeconfig,
  type KubeconfigCluster,
  type KubeconfigUser,
} from '../../../src/kube/kubeconfig.ts'

const parseKubeconfigCluster = (text: string): KubeconfigCluster => parseKubeconfig(text, 'remote').cluster

const cluster = (fields: string): string =>
  `apiVersion: v1\nkind: Config\nclusters:\n- name: ""\n  cluster: {${fields}}\n`
const served = (server: string): string => cluster(`server: ${JSON.stringify(server)}`)
const refusal = (reason: RegExp) => (thrown: unknown) =>
  thrown instanceof KubeconfigError && reason.test(thrown.message)

const two = `clusters:
- {name: a, cluster: {server: "https://a:1"}}
- {name: b, cluster: {server: "https://b:2"}}
contexts:
- {name: to-b, context: {cluster: b, user: u}}
- {name: to-nothing, context: {cluster: c}}
- {name: empty}
`
/** Each anchor holds ten of the one before. */
const bomb = ['a0: &a0 [x,x,x,x,x,x,x,x,x,x]']
  .concat(Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array<string>(10).fill(`*a${i}`).join(',')}]`))
  .join('\n')

describe('the cluster in a kubeconfig', () => {
  it('is the only one, of the empty name, as kubeadm publishes it', () => {
    const text = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: WVE9PQ==
    server: https://10.0.0.1:6443
  name: ""
contexts: null
current-context: ""
kind: Config
preferences: {}
users: null
`
    const { server, certificateAuthority } = parseKubeconfigCluster(text)
    assert.equal(server.href, 'https://10.0.0.1:6443/')
    assert.deepEqual(certificateAuthority, { kind: 'embedded', data: 'WVE9PQ==' })
  })

  it('is that of the current context', () => {
    assert.equal(parseKubeconfigCluster(`${two}current-context: to-b`).server.host, 'b:2')
  })

  it('keeps its path, for clusters that are served below one', () => {
    assert.equal(parseKubeconfigCluster(served('https://proxy/k8s/clusters/c-1')).server.pathname, '/k8s/clusters/c-1')
  })

  it('has CA data without the white space that YAML folds in, and none where it is empty', () => {
    const data = (yaml: string): unknown =>
      parseKubeconfigCluster(cluster(`server: "https://a", certificate-authority-data: ${yaml}`)).certificateAuthority
    assert.deepEqual(data('"YW\\n Jj\\t"'), { kind: 'embedded', data: 'YWJj' })
    assert.equal(data('""'), undefined)
    assert.equal(data('" "'), undefined)
    assert.equal(data('null'), undefined)
  })

  it('may say that TLS is verified and that there is no proxy', () => {
    const text = cluster('server: "https://a", insecure-skip-tls-verify: false, proxy-url: "", tls-server-name: null')
    assert.equal(parseKubeconfigCluster(text).server.host, 'a')
  })

  it('is read from JSON as well', () => {
    const text = JSON.stringify({ kind: 'Config', clusters: [{ name: '', cluster: { server: 'https://a' } }] })
    assert.equal(parseKubeconfigCluster(text).server.host, 'a')
  })

  it('may be written with a few aliases', () => {
    assert.equal(parseKubeconfigCluster(`s: &s https://a\n${cluster('server: *s')}`).server.host, 'a')
  })

  const rows: readonly [name: string, text: string, reason: RegExp][] = [
    ['two clusters without a current context', two, /has 2 clusters and no current-context/],
    ['a current context that is not there', `${two}current-context: x`, /current-context that is not there/],
    ['a current context whose cluster is not there', `${two}current-context: to-nothing`, /without a cluster/],
    ['a current context without a cluster', `${two}current-context: empty`, /without a cluster/],
    [
      'two clusters of the name that the context means',
      'clusters: [{name: a, cluster: {server: "https://a"}}, {name: a, cluster: {server: "https://b"}}]\n' +
        'contexts: [{name: c, context: {cluster: a}}]\ncurrent-context: c',
      /two entries of one name/,
    ],
    ['no cluster', 'kind: Config\nclusters: []', /has 0 clusters/],
    ['an empty document', '', /has 0 clusters/],
    ['a list', '- a', /has 0 clusters/],
    ['a bare word', 'hello', /has 0 clusters/],
    ['clusters that are a mapping', 'clusters: {name: x}', /has 0 clusters/],
    ['a cluster that is text', 'clusters: [{name: "", cluster: x}]', /names no server/],
    ['another kind', served('https://a').replace('kind: Config', 'kind: Secret'), /another kind/],
    ['no server', cluster(''), /names no server/],
    ['a server that is a number', cluster('server: 5'), /names no server/],
    ['a server that is no URL', served('10.0.0.1'), /no URL/],
    ['plain http', served('http://a'), /not https/],
    ['another scheme', served('ftp://a'), /not https/],
    ['a user in the URL', served('https://user@a'), /more than/],
    ['a password in the URL', served('https://:hunter2@a'), /more than/],
    ['a query', served('https://a?x=1'), /more than/],
    ['a fragment', served('https://a#x'), /more than/],
    ['insecure-skip-tls-verify', cluster('server: "https://a", insecure-skip-tls-verify: true'), /insecure-skip-tls-v/],
    ['the same as text', cluster('server: "https://a", insecure-skip-tls-verify: "false"'), /insecure-skip-tls-v/],
    ['a proxy', cluster('server: "https://a", proxy-url: "http://p"'), /proxy-url/],
    ['a name to verify instead', cluster('server: "https://a", tls-server-name: b'), /tls-server-name/],
    ['a CA by path', cluster('server: "https://a", certificate-authority: /etc/ssl/ca'), /certificate-authority: /],
    ['a key twice', cluster('server: "https://a", server: "https://b"'), /key twice/],
    ['a key twice, spelt differently', 'a: 1\n"a": 2', /key twice/],
    ['a key twice at the top', `${served('https://a')}clusters: []`, /key twice/],
    ['a mapping as key', '? {a: 1}\n: b', /no text/],
    ['an alias bomb', bomb, /too many YAML aliases/],
    ['an alias of nothing', 'a: *b', /YAML/],
    ['two documents', `${served('https://a')}---\n${served('https://b')}`, /no YAML \(MULTIPLE_DOCS/],
    ['a tab for indentation', 'a:\n\tb: 1', /no YAML/],
    ['an open bracket', 'clusters: [', /no YAML/],
    ['two thousand open brackets', '['.repeat(2000), /no YAML/],
    ['more than any kubeconfig needs', `# ${'x'.repeat(256 * 1024)}`, /longer than/],
  ]
  for (const [name, text, reason] of rows)
    it(`is refused with ${name}`, () => {
      assert.throws(() => parseKubeconfigCluster(text), refusal(reason))
    })

  it('is found in linear time among as many keys as fit', () => {
    const keys = Array.from({ length: 20_000 }, (_, i) => `k${i.toString(36)}:`).join('\n')
    assert.throws(() => parseKubeconfigCluster(keys), refusal(/has 0 clusters/))
  }).timeout(20_000)

  it('is not taken from a prototype', () => {
    assert.throws(
      () => parseKubeconfigCluster('__proto__: {clusters: [{cluster: {server: "https://a"}}]}'),
      refusal(/0/),
    )
  })

  it('is never quoted in what is thrown, for it may hold credentials', () => {
    for (const text of [served('https://u:hunter2@a'), 'hunter2: [', 'hunter2: 1\nhunter2: 2', 'x: *hunter2'])
      assert.throws(
        () => parseKubeconfigCluster(text),
        (thrown) => thrown instanceof KubeconfigError && !thrown.message.includes('hunter2'),
      )
  })

  it('is found or refused with KubeconfigError, whatever the text', () => {
    const pieces = [
      'clusters:',
      '- ',
      'name: ',
      'cluster: ',
      'server: ',
      'https://a',
      '\n',
      '  ',
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a',
      '? ',
      '!!binary ',
      '|',
      '"',
      '---',
      '<<: ',
    ]
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 3 }))), (parts) => {
        try {
          assert.equal(parseKubeconfigCluster(parts.join('')).server.protocol, 'https:')
        } catch (thrown) {
          assert(thrown instanceof KubeconfigError)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('the user in a kubeconfig', () => {
  const withUser = (user: Record<string, unknown>, more: object = {}): string =>
    JSON.stringify({ clusters: [{ cluster: { server: 'https://a' } }], users: [{ name: 'u', user }], ...more })
  const user = (fields: Record<string, unknown>, origin: 'local' | 'remote' = 'local'): KubeconfigUser | undefined =>
    parseKubeconfig(withUser(fields), origin).user
  const token = (found: KubeconfigUser | undefined): unknown =>
    found?.kind === 'token' && found.token.kind === 'embedded' ? found.token.data.reveal() : found

  it('is nobody where there is none, an empty one, or one that the context does not name', () => {
    assert.equal(parseKubeconfig(served('https://a'), 'local').user, undefined)
    assert.equal(user({}), undefined)
    assert.equal(user({ token: ' ', tokenFile: '', 'client-certificate': null }), undefined)
    assert.equal(parseKubeconfig(`${two}current-context: to-b`, 'local').user, undefined)
  })

  it('is that of the current context', () => {
    const text = JSON.stringify({
      clusters: [{ name: 'c', cluster: { server: 'https://a' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'second' } }],
      users: [
        { name: 'first', user: { token: 'one' } },
        { name: 'second', user: { token: 'two' } },
      ],
      'current-context': 'x',
    })
    assert.equal(token(parseKubeconfig(text, 'remote').user), 'two')
  })

  it('has a token, or a file of one, which wins', () => {
    assert.equal(token(user({ token: ' t ' })), 't')
    assert.deepEqual(user({ token: 't', tokenFile: 'x' }), { kind: 'token', token: { kind: 'file', path: 'x' } })
  })

  it('has a certificate and a key, and what is embedded wins', () => {
    const found = user({
      'client-certificate-data': 'YQ==',
      'client-certificate': 'c',
      'client-key-data': 'Y\ng==',
      'client-key': 'k',
    })
    assert(found?.kind === 'certificate' && found.key.kind === 'embedded')
    assert.deepEqual(found.certificate, { kind: 'embedded', data: 'YQ==' })
    assert.equal(found.key.data.reveal(), 'Yg==')
    assert.deepEqual(user({ 'client-certificate': 'c', 'client-key': 'k' }), {
      kind: 'certificate',
      certificate: { kind: 'file', path: 'c' },
      key: { kind: 'file', path: 'k' },
    })
  })

  const refused: readonly [name: string, fields: Record<string, unknown>, reason: RegExp][] = [
    ['a certificate without a key', { 'client-certificate-data': 'YQ==' }, /without its key/],
    ['a key without a certificate', { 'client-key': 'k' }, /without its certificate/],
    ['two credentials', { token: 't', 'client-certificate': 'c', 'client-key': 'k' }, /both/],
    ['a token that is no text', { token: 7 }, /token that is no text/],
    ...['exec', 'auth-provider', 'username', 'password', 'as', 'as-uid', 'as-groups', 'as-user-extra'].map(
      (key): [string, Record<string, unknown>, RegExp] => [
        key,
        { token: 't', [key]: { x: 1 } },
        RegExp(`sets ${key},`),
      ],
    ),
  ]
  for (const [name, fields, reason] of refused)
    it(`is refused with ${name}`, () => {
      assert.throws(() => user(fields), refusal(reason))
    })

  for (const key of ['tokenFile', 'client-certificate', 'client-key'])
    it(`names no files where it came over a network: ${key}`, () => {
      assert.throws(() => user({ [key]: '../../etc/shadow' }, 'remote'), refusal(RegExp(`sets ${key}: `)))
    })

  it('is refused where there are several and no context says which', () => {
    const text = withUser({}, { users: [{ name: 'a' }, { name: 'b' }] })
    assert.throws(() => parseKubeconfig(text, 'local'), refusal(/2 users/))
  })
})
