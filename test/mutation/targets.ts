/** Which sources hold the checks, which tests must notice that one is gone, and what is mutated or excused by hand. */
import type { Excused, Listed } from './mutants.ts'

const unit = (name: string): string => `test/unit/${name}.test.ts`
const integration = (name: string): string => `test/integration/${name}.test.ts`

const TOKEN = integration('discovery/token-discovery')
const KUBECONFIG = integration('discovery/kubeconfig-discovery')
const HTTP = integration('adapters/http')
const PROXY = integration('adapters/proxy')

/** The quick tests first: the others are asked only about what those let live. */
export const targets: Readonly<Record<string, readonly string[]>> = {
  'src/lib/bootstrap-token.ts': [unit('lib/bootstrap-token')],
  'src/discovery/authorities.ts': [unit('discovery/authorities'), TOKEN],
  'src/discovery/cluster-info.ts': [TOKEN],
  'src/discovery/detached-jws.ts': [unit('discovery/detached-jws')],
  'src/discovery/endpoints.ts': [unit('discovery/endpoints')],
  'src/discovery/token-discovery.ts': [TOKEN],
  'src/discovery/file-discovery.ts': [KUBECONFIG],
  'src/discovery/https-discovery.ts': [KUBECONFIG],
  'src/discovery/kubeconfig-discovery.ts': [KUBECONFIG],
  'src/discovery/kubeconfig-document.ts': [KUBECONFIG],
  'src/discovery/kubeconfig-material.ts': [KUBECONFIG],
  'src/discovery/system-roots.ts': [KUBECONFIG],
  'src/kube/kubeconfig-yaml.ts': [unit('kube/kubeconfig')],
  'src/kube/kubeconfig.ts': [unit('kube/kubeconfig'), KUBECONFIG],
  'src/kube/json-lines.ts': [unit('kube/json-lines')],
  'src/kube/certificate-signing-request.ts': [unit('kube/certificate-signing-request'), unit('kube/api')],
  'src/kube/csr-api.ts': [unit('kube/api')],
  'src/adapters/http.ts': [HTTP, PROXY],
  'src/adapters/server-name.ts': [unit('adapters/server-name'), HTTP],
  'src/adapters/presented-chain.ts': [KUBECONFIG],
  'src/adapters/proxy.ts': [unit('adapters/proxy')],
  'src/adapters/proxy-trust.ts': [PROXY],
  'src/agent/issued-certificate.ts': [unit('agent/issued-certificate')],
  'src/adapters/files.ts': [integration('adapters/files')],
  'src/store/durable-file.ts': [integration('store/durable-file')],
  'src/pki/certificate.ts': [unit('pki/certificate')],
  'src/pki/pem.ts': [unit('pki/pem')],
  'src/pki/der-read.ts': [unit('pki/der-read'), unit('pki/certificate')],
}

export const listed: readonly Listed[] = [
  {
    file: 'src/adapters/server-name.ts',
    expression: 'checkServerIdentity(host, withoutCommonName) === undefined',
    becomes: 'true',
  },
  {
    file: 'src/discovery/token-discovery.ts',
    expression: "knownAuthorities === undefined ? 'unverified' : { roots: knownAuthorities.map(certificateToPem) }",
    becomes: "'unverified'",
  },
  {
    file: 'src/discovery/token-discovery.ts',
    expression: 'input.caCertHashes.length > 0 ? pinnedAuthorities(presented, input.caCertHashes) : presented',
    becomes: 'presented',
  },
  {
    file: 'src/discovery/kubeconfig-document.ts',
    expression: "target.protocol !== 'https:'",
    becomes: 'false',
  },
  {
    file: 'src/discovery/kubeconfig-document.ts',
    expression: "target.username !== '' || target.password !== ''",
    becomes: 'false',
  },
  {
    file: 'src/discovery/kubeconfig-document.ts',
    expression: 'redirects <= MAX_REDIRECTS',
    becomes: 'redirects <= 50',
  },
  {
    file: 'src/agent/issued-certificate.ts',
    expression: 'chain.length <= MAX_CERTIFICATES',
    becomes: 'true',
  },
]

const UNREACHABLE = 'the compiler asks for it: '

export const excused: readonly Excused[] = [
  {
    file: 'src/adapters/http.ts',
    code: '!isExplainable(code)',
    why: 'it spares a handshake: what cannot be explained has no words in describeRefused either',
  },
  {
    file: 'src/adapters/http.ts',
    code: '!isOfCertificate(code)',
    why: 'it spares a handshake: a proxy whose certificate is refused fails with nothing but such a code',
  },
  {
    file: 'src/adapters/presented-chain.ts',
    code: "'TLSv1.2'",
    why: 'the security level of Node’s OpenSSL refuses what is older, too',
  },
  {
    file: 'src/adapters/presented-chain.ts',
    code: '0',
    why: 'the agent makes one connection and is gone: it has no session to resume',
  },
  {
    file: 'src/adapters/proxy.ts',
    code: "(entry) => entry !== ''",
    why: 'an entry without a name, which is refused behind it, names nobody either',
  },
  {
    file: 'src/discovery/https-discovery.ts',
    code: '(certificate) => pins.includes(publicKeyPin(certificate))',
    why: 'pinnedAuthorities narrows the same list once more; this keeps the system’s roots out of its message',
  },
  {
    file: 'src/adapters/http.ts',
    code: "'TLSv1.2' as const",
    why: 'the security level of Node’s OpenSSL refuses what is older, too; test/adversary/two-faced.test.ts plays a server of TLS 1.1',
  },
  {
    file: 'src/adapters/http.ts',
    code: "typeof request.trust !== 'string'",
    why: 'the agent of the request says the same, and its word, which is mutated, counts',
  },
  {
    file: 'src/discovery/detached-jws.ts',
    code: 'header === undefined',
    why: `${UNREACHABLE}split gives one part at least`,
  },
  {
    file: 'src/discovery/detached-jws.ts',
    code: 'mac === undefined',
    why: `${UNREACHABLE}undefined does not have the form of a MAC, which is checked beside it`,
  },
  {
    file: 'src/discovery/endpoints.ts',
    code: 'weightiest === undefined',
    why: `${UNREACHABLE}a configuration without an endpoint is refused`,
  },
  {
    file: 'src/kube/kubeconfig.ts',
    code: "url.hostname === ''",
    why: 'no https URL that can be parsed is without a host; the check stands for parsers that see it otherwise',
  },
  {
    file: 'src/adapters/proxy.ts',
    code: "proxy.hostname === ''",
    why: 'only schemes that the next check refuses, with the same code, can be without a host',
  },
  {
    file: 'src/pki/der-read.ts',
    code: 'tag === undefined',
    why: `${UNREACHABLE}nobody reads a value at the end of the bytes`,
  },
]
