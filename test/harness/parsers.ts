/**
 * Every parser that a stranger's bytes, or a damaged file's, can reach: how it is called, what it may throw, and what it is
 * meant for. The property tests and the fuzzer go by this one list. A parser that is missing here is tested by neither.
 */
import { readFileSync } from 'node:fs'
import { proxyFor } from '../../src/adapters/proxy.ts'
import { challengeSchemes } from '../../src/adapters/proxy-challenge.ts'
import { checkServerName } from '../../src/adapters/server-name.ts'
import { checkIssuedCertificate } from '../../src/agent/issued-certificate.ts'
import { formatProblem, parseConfiguration } from '../../src/config/index.ts'
import { createCertificateAuthority } from '../../src/dev-cluster/certificate-authority.ts'
import { parseCertificateAuthorityData } from '../../src/discovery/authorities.ts'
import { fetchClusterInfo } from '../../src/discovery/cluster-info.ts'
import { verifyDetachedJws } from '../../src/discovery/detached-jws.ts'
import { fetchDocument } from '../../src/discovery/kubeconfig-document.ts'
import { credentialOf } from '../../src/discovery/kubeconfig-material.ts'
import { ApiClient } from '../../src/kube/api-request.ts'
import type { ObservedRequest } from '../../src/kube/certificate-signing-request.ts'
import { submitRequest, watchRequest } from '../../src/kube/csr-api.ts'
import { KubeconfigError, parseKubeconfig } from '../../src/kube/kubeconfig.ts'
import { retryAfterMs, statusError } from '../../src/kube/status-error.ts'
import { bootstrapTokenFault, parseBootstrapToken } from '../../src/lib/bootstrap-token.ts'
import { BootstrapError } from '../../src/lib/errors.ts'
import { httpDate } from '../../src/lib/http-date.ts'
import type { Files } from '../../src/lib/ports.ts'
import { Secret } from '../../src/lib/secret.ts'
import { printable } from '../../src/lib/text.ts'
import { CertificateError, parseCertificate, parseCertificates } from '../../src/pki/certificate.ts'
import { OID } from '../../src/pki/oids.ts'
import { DerError, readAll, readObjectIdentifier, readText, readTime } from '../../src/pki/der-read.ts'
import { decodePem, PemError, pemBlocks } from '../../src/pki/pem.ts'
import { generatePrivateKey, privateKeyToPem, subjectPublicKeyInfo } from '../../src/pki/private-key.ts'
import { nodeFiles } from '../../src/adapters/files.ts'
import { readAskedRenewal } from '../../src/store/asked-renewal.ts'
import { readCurrentPair } from '../../src/store/certificate-pair.ts'
import { readClusterRecord } from '../../src/store/cluster-record.ts'
import { readHookRecord } from '../../src/store/hook-record.ts'
import { readKeyLedger } from '../../src/store/key-ledger.ts'
import { readPendingRequest, readRefusal } from '../../src/store/pending-request.ts'
import { readStatusFile } from '../../src/store/status-file.ts'
import { clusterInfoSignature } from './cluster-info-signature.ts'
import { fakeHttp, type Answer } from './fake-http.ts'

export interface Parser {
  name: string
  /** What it throws must be `isExpected`; what it returns is looked at by nobody. */
  parse: (bytes: Uint8Array) => unknown
  isExpected: (thrown: unknown) => boolean
  /** Inputs that it accepts, or nearly: where mutation begins. */
  seeds: readonly Uint8Array[]
}

const nothing = (): boolean => false
const ofClass =
  (...classes: (abstract new (...args: never[]) => Error)[]) =>
  (thrown: unknown): boolean =>
    classes.some((one) => thrown instanceof one)
/** A BootstrapError, but not the one that stands for a defect. */
const typed = (thrown: unknown): boolean => thrown instanceof BootstrapError && thrown.code !== 'internal'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')
const bytes = (...texts: string[]): Uint8Array[] => texts.map((one) => Buffer.from(one))
const json = (...values: unknown[]): Uint8Array[] => values.map((value) => Buffer.from(JSON.stringify(value)))

const authority = createCertificateAuthority()
const key = await generatePrivateKey('ECDSA-P256')
const spki = subjectPublicKeyInfo(key)
const NODE = { commonName: 'system:node:worker-1', organizations: ['system:nodes'] }
const leaf = authority.issue({ ...NODE, extendedKeyUsages: ['clientAuth'], subjectPublicKeyInfo: spki })
const caData = Buffer.from(authority.certificatePem).toString('base64')

const TOKEN = { text: 'abcdef.0123456789abcdef', id: 'abcdef', secret: '0123456789abcdef' }
const token = parseBootstrapToken(TOKEN.text)
if (token === undefined) throw new Error('the token is none')

const kubeconfig = (cluster: object, more: object = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.10:6443', ...cluster } }],
    ...more,
  })
const KUBECONFIG = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: ${caData}
    server: https://10.0.0.10:6443
  name: ""
contexts: null
current-context: ""
kind: Config
users: null
`

const clock = { nowMs: () => 0, monotonicMs: () => 0, bootId: () => undefined, sleep: () => Promise.resolve() }
const server = new URL('https://10.0.0.10:6443')
const api = { server, trust: { roots: [] }, credential: { kind: 'anonymous' } } as const
const client = (answer: Answer): ApiClient => new ApiClient(fakeHttp(answer), clock, 'test')
const { signal } = new AbortController()

const CSR = 'node-csr-x'
const csr = (status: object = {}): object => ({
  apiVersion: 'certificates.k8s.io/v1',
  kind: 'CertificateSigningRequest',
  metadata: { name: CSR, uid: 'u', resourceVersion: '7', creationTimestamp: '2026-11-23T20:23:16Z' },
  spec: { request: 'cmVxdWVzdA==', signerName: 'kubernetes.io/kube-apiserver-client-kubelet', usages: ['client auth'] },
  status,
})
const seen: ObservedRequest = {
  name: CSR,
  uid: 'u',
  resourceVersion: '7',
  createdAtMs: 0,
  username: '',
  approval: undefined,
  outcome: { kind: 'pending' },
}
const approved = { type: 'Approved', status: 'True', reason: 'r', message: 'm' }

/** Cut at every third byte, so that no line and no character comes in one piece. */
function pieces(input: Uint8Array): Uint8Array[] {
  const size = Math.max(3, Math.ceil(input.length / 200))
  return Array.from({ length: Math.ceil(input.length / size) }, (_, index) =>
    input.subarray(index * size, (index + 1) * size),
  )
}

/** One file of these bytes, wherever it is looked for. */
const filesHolding = (input: Uint8Array): Files => ({
  ...nodeFiles,
  read: () => Promise.resolve(input),
  stat: () => Promise.resolve({ kind: 'file', mode: 0o600, isOthers: false, sizeBytes: input.length, modifiedMs: 0 }),
})

const LOCAL = { label: '/etc/cluster.yaml', origin: 'local', directory: '/etc', text: '' } as const
const DOCUMENT_REQUEST = {
  url: new URL('https://config.example.com/cluster-info.yaml'),
  trustFor: () => Promise.resolve({ roots: [] }),
  known: undefined,
}

/** Each reader of DER over each value of the input. */
function readEveryValue(input: Uint8Array): void {
  for (const value of readAll(input))
    for (const read of [readObjectIdentifier, readText, readTime, () => readAll(value.contents)])
      try {
        read(value)
      } catch (thrown) {
        if (!(thrown instanceof DerError)) throw thrown
      }
}

export const parsers: readonly Parser[] = [
  {
    name: 'token',
    parse: (input) => parseBootstrapToken(text(input)) ?? bootstrapTokenFault(text(input)),
    isExpected: nothing,
    seeds: bytes(TOKEN.text, 'abcdef.0123', 'ABCDEF.0123456789abcdef'),
  },
  {
    name: 'signature',
    parse: (input) => verifyDetachedJws(text(input), KUBECONFIG, token),
    isExpected: typed,
    seeds: bytes(
      clusterInfoSignature(KUBECONFIG, TOKEN.id, TOKEN.secret),
      clusterInfoSignature('another', TOKEN.id, TOKEN.secret),
    ),
  },
  {
    name: 'kubeconfig',
    parse: (input) => parseKubeconfig(text(input), 'local'),
    isExpected: ofClass(KubeconfigError),
    seeds: bytes(
      KUBECONFIG,
      kubeconfig(
        { 'certificate-authority-data': caData },
        { 'current-context': 'x', contexts: [{ name: 'x', context: { cluster: 'c' } }] },
      ),
      kubeconfig({ 'insecure-skip-tls-verify': true }),
      'a: &a [b, &b {c: *a}]\nclusters: [*b, !!map {}, "\\u0000", |\n  x\n]\n--- \n%YAML 1.2\n',
      'clusters: [{cluster: &c {server: https://h, <<: {certificate-authority: /etc/shadow}}}]',
    ),
  },
  {
    name: 'remote-kubeconfig',
    parse: (input) => parseKubeconfig(text(input), 'remote'),
    isExpected: ofClass(KubeconfigError),
    seeds: bytes(
      KUBECONFIG,
      kubeconfig({ 'certificate-authority': '../../etc/shadow' }),
      kubeconfig({}, { users: [{ name: 'u', user: { tokenFile: '/etc/shadow' } }] }),
      kubeconfig({}, { users: [{ name: 'u', user: { token: 'a-token' } }] }),
      kubeconfig(
        {},
        { users: [{ name: 'u', user: { 'client-certificate-data': 'YQ==', 'client-key-data': 'YQ==' } }] },
      ),
    ),
  },
  {
    name: 'bearer-token',
    parse: (input) =>
      credentialOf(filesHolding(input), LOCAL, { kind: 'token', token: { kind: 'file', path: 'token' } }),
    isExpected: typed,
    seeds: bytes('a-token\n', 'eyJhbGciOiJub25lIn0.e30.'),
  },
  {
    name: 'client-certificate',
    parse: (input) =>
      credentialOf(filesHolding(input), LOCAL, {
        kind: 'certificate',
        certificate: { kind: 'file', path: 'node.pem' },
        key: { kind: 'file', path: 'node.pem' },
      }),
    isExpected: typed,
    seeds: bytes(leaf.certificatePem, privateKeyToPem(key)),
  },
  {
    name: 'client-certificate-data',
    parse: (input) =>
      credentialOf(filesHolding(input), LOCAL, {
        kind: 'certificate',
        certificate: { kind: 'embedded', data: text(input) },
        key: { kind: 'embedded', data: new Secret(text(input)) },
      }),
    isExpected: typed,
    seeds: bytes(caData, Buffer.from(privateKeyToPem(key)).toString('base64')),
  },
  {
    name: 'document',
    parse: (input) => fetchDocument(fakeHttp({ body: input }), DOCUMENT_REQUEST, signal),
    isExpected: typed,
    seeds: bytes(KUBECONFIG, '\ufeffkind: Config'),
  },
  {
    name: 'redirect',
    parse: async (input) => {
      const answer = { status: 302, headers: { location: text(input) } }
      statusError({ ...answer, body: new Uint8Array() }, server)
      await fetchDocument(fakeHttp(answer, { body: 'kind: Config' }), DOCUMENT_REQUEST, signal)
    },
    isExpected: typed,
    seeds: bytes('https://other.example.com/a?b', '/b', 'http://u:p@h/', 'data:text/html,x', '//h'),
  },
  {
    name: 'NO_PROXY',
    parse: (input) => {
      const environment = { HTTPS_PROXY: 'proxy:3128', NO_PROXY: text(input) }
      for (const host of ['10.0.0.10:6443', '[fd00::1]', 'api.example.com'])
        proxyFor(new URL(`https://${host}`), environment)
    },
    isExpected: nothing,
    seeds: bytes('10.0.0.0/8, .example.com:443,*.b,[fd00::1]:443,fd00::/8,*', '10.0.0.10:6443'),
  },
  {
    name: 'HTTPS_PROXY',
    parse: (input) => proxyFor(server, { HTTPS_PROXY: text(input) }),
    isExpected: typed,
    seeds: bytes('http://me:secret@proxy:3128', 'proxy:3128', 'socks5://h', 'https://[::1]:1'),
  },
  {
    name: 'proxy-challenge',
    parse: (input) => challengeSchemes(text(input)),
    isExpected: nothing,
    seeds: bytes('Negotiate, NTLM, Basic realm="a, Digest b"', 'Digest realm="r", nonce="n'),
  },
  {
    name: 'http-date',
    parse: (input) => httpDate(text(input)),
    isExpected: nothing,
    seeds: bytes('Fri, 31 Dec 1999 23:59:59 GMT', 'soon 3'),
  },
  {
    name: 'pem-blocks',
    parse: (input) => pemBlocks(text(input), 'CERTIFICATE'),
    isExpected: nothing,
    seeds: bytes(
      authority.certificatePem,
      `# a name\n${leaf.certificatePem}-----BEGIN TRUSTED CERTIFICATE-----\nYQ==\n`,
    ),
  },
  {
    name: 'pem',
    parse: (input) => decodePem(text(input), 'CERTIFICATE'),
    isExpected: ofClass(PemError),
    seeds: bytes(authority.certificatePem, leaf.certificatePem + authority.certificatePem, privateKeyToPem(key)),
  },
  { name: 'der', parse: readEveryValue, isExpected: ofClass(DerError), seeds: [authority.certificateDer, spki] },
  {
    name: 'certificate',
    parse: parseCertificate,
    isExpected: ofClass(CertificateError),
    seeds: [authority.certificateDer, ...decodePem(leaf.certificatePem, 'CERTIFICATE')],
  },
  {
    name: 'certificates',
    parse: (input) => parseCertificates(text(input)),
    isExpected: ofClass(CertificateError),
    seeds: bytes(authority.certificatePem, leaf.certificatePem + authority.certificatePem),
  },
  {
    name: 'authority-data',
    parse: (input) => parseCertificateAuthorityData(text(input), 'there'),
    isExpected: typed,
    seeds: bytes(caData),
  },
  {
    name: 'config-map',
    parse: (input) => fetchClusterInfo(client({ body: input }), server, 'unverified', TOKEN.id, signal),
    isExpected: typed,
    seeds: json({
      kind: 'ConfigMap',
      apiVersion: 'v1',
      data: { kubeconfig: 'kind: Config', [`jws-kubeconfig-${TOKEN.id}`]: 'a..b' },
    }),
  },
  {
    name: 'status',
    parse: (input) => statusError({ status: 403, headers: {}, body: input }, server),
    isExpected: nothing,
    seeds: json({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 403, reason: 'Forbidden', message: 'no' }),
  },
  {
    name: 'watch',
    parse: (input) => watchRequest(client({ pieces: pieces(input) }), api, seen, () => undefined, 300, signal),
    isExpected: typed,
    seeds: [
      Buffer.from(
        [
          { type: 'ADDED', object: csr() },
          { type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } },
          { type: 'MODIFIED', object: csr({ conditions: [approved] }) },
          { type: 'MODIFIED', object: csr({ conditions: [approved], certificate: 'LS0t' }) },
        ]
          .map((event) => `${JSON.stringify(event)}\n`)
          .join(''),
      ),
      ...bytes(
        `${JSON.stringify({ type: 'DELETED', object: csr() })}\n`,
        `${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, message: 'too old' } })}\n`,
        `${JSON.stringify({ type: 'MODIFIED', object: csr({ conditions: [{ type: 'Denied', reason: 'r', message: 'm' }] }) })}\n`,
      ),
    ],
  },
  {
    name: 'submitted-request',
    parse: (input) =>
      submitRequest(
        client({ body: input }),
        api,
        { name: CSR, request: 'request', signerName: 's', usages: ['client auth'], expirationSeconds: undefined },
        signal,
      ),
    isExpected: typed,
    seeds: json(csr(), csr({ conditions: [approved], certificate: 'LS0t' })),
  },
  {
    name: 'issued-certificate',
    parse: (input) =>
      checkIssuedCertificate(text(input), {
        spki,
        commonName: NODE.commonName,
        organization: 'system:nodes',
        purpose: OID.clientAuth,
        names: undefined,
        cluster: { server, authorities: parseCertificates(authority.certificatePem) },
      }),
    isExpected: typed,
    seeds: bytes(leaf.certificatePem, leaf.certificatePem + authority.certificatePem),
  },
  {
    name: 'join.yaml',
    parse: (input) => {
      const result = parseConfiguration(text(input), { file: 'join.yaml', hostName: 'host-1' })
      return 'problems' in result ? result.problems.map(formatProblem) : result
    },
    isExpected: nothing,
    seeds: ['token-everything', 'https-discovery', 'alias-bomb', 'duplicate-keys', 'merge-key-and-tags'].map((name) =>
      readFileSync(new URL(`../configs/${name}/join.yaml`, import.meta.url)),
    ),
  },
  {
    name: 'retry-after',
    parse: (input) => {
      const [retryAfter = '', date = ''] = text(input).split('\n')
      return retryAfterMs({ 'retry-after': retryAfter, date })
    },
    isExpected: nothing,
    seeds: bytes('120', 'Fri, 31 Dec 1999 23:59:59 GMT\nFri, 31 Dec 1999 23:59:00 GMT'),
  },
  {
    name: 'server-name',
    parse: (input) => {
      const certificate = { subjectaltname: text(input) } as Parameters<typeof checkServerName>[1]
      return [checkServerName('10.0.0.10', certificate), checkServerName('worker.example.com', certificate)]
    },
    isExpected: nothing,
    seeds: bytes(
      'DNS:kubernetes, DNS:*.example.com, IP Address:10.0.0.10',
      'DNS:"a\\u0000b", URI:x, IP Address:::1',
      'DNS:"unclosed',
    ),
  },
  {
    name: 'printable',
    parse: (input) => printable(text(input)),
    isExpected: nothing,
    seeds: bytes('a\u001b[31m\r\n\u202e b'),
  },
  {
    name: 'cluster.json',
    parse: (input) => readClusterRecord(filesHolding(input), '/state'),
    isExpected: nothing,
    seeds: json({
      server: server.href,
      certificateAuthority: authority.certificatePem,
      evidence: { method: 'token', source: 's', verified: ['a'] },
      approval: { reason: 'AutoApproved', afterMs: 1000 },
      configurationDigest: 'd',
      verifiedAt: '2026-11-23T20:23:16.720Z',
    }),
  },
  {
    name: 'pending-request.pem',
    parse: (input) => readPendingRequest(filesHolding(input), '/state'),
    isExpected: nothing,
    seeds: bytes(
      `# certificatesigningrequest: ${CSR}, usages: digital signature+client auth, expirationSeconds: 600\n${privateKeyToPem(key)}-----BEGIN CERTIFICATE REQUEST-----\ncmVxdWVzdA==\n-----END CERTIFICATE REQUEST-----\n`,
    ),
  },
  {
    name: 'refusal.json',
    parse: (input) => readRefusal(filesHolding(input), '/state'),
    isExpected: nothing,
    seeds: json({ kind: 'denied', name: CSR, reason: 'r', message: 'm', atMs: 1, configurationDigest: 'd' }),
  },
  {
    name: 'kubelet-client-current.pem',
    parse: (input) => readCurrentPair(filesHolding(input), { directory: '/pki', stem: 'kubelet-client' }),
    isExpected: nothing,
    seeds: bytes(leaf.certificatePem + privateKeyToPem(key), leaf.certificatePem + authority.certificatePem),
  },
  {
    name: 'hooks.json',
    parse: (input) => readHookRecord(filesHolding(input), '/state'),
    isExpected: nothing,
    seeds: json({ certificate: 'f', event: 'renewed', done: ['sha256:a'], isComplete: true }),
  },
  {
    name: 'keys-made.json',
    parse: (input) => readKeyLedger(filesHolding(input), '/state'),
    isExpected: nothing,
    seeds: json({ madeAt: ['2026-11-23T20:23:16.720Z'], configurationDigest: 'd' }),
  },
  {
    name: 'asked-renewal.json',
    parse: (input) => readAskedRenewal(filesHolding(input), '/state'),
    isExpected: nothing,
    seeds: json({ certificate: 'f' }),
  },
  {
    name: 'status.json',
    parse: (input) => readStatusFile(filesHolding(input), '/run'),
    isExpected: nothing,
    seeds: json({ state: 'healthy', program: { pid: 1 } }),
  },
]
