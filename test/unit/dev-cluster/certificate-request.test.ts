import assert from 'node:assert/strict'
import { CertificateRequestError, parseCertificateRequest } from '../../../src/dev-cluster/certificate-request.ts'
import { signerRefusal } from '../../../src/dev-cluster/signer.ts'
import { decodePem, encodePem } from '../../../src/pki/pem.ts'
import { type CsrOptions, opensslCsr } from './openssl.ts'

const LABEL = 'CERTIFICATE REQUEST'
const parse = (pem: string): ReturnType<typeof parseCertificateRequest> => parseCertificateRequest(Buffer.from(pem))

describe('certificate request', () => {
  const pem = opensslCsr()
  const [der = new Uint8Array()] = decodePem(pem, LABEL)

  it('reads subject and every kind of alternative name', () => {
    const request = parse(
      opensslCsr({ subjectAltName: 'DNS:a.test,IP:10.0.0.1,IP:2001:db8::1,email:a@b.test,URI:spiffe://x' }),
    )
    assert.equal(request.commonName, 'system:node:worker-1')
    assert.deepEqual(request.organizations, ['system:nodes'])
    assert.deepEqual(request.dnsNames, ['a.test'])
    assert.deepEqual(request.ipAddresses, ['10.0.0.1', '2001:0db8:0000:0000:0000:0000:0000:0001'])
    assert.deepEqual(request.emailAddresses, ['a@b.test'])
    assert.deepEqual(request.uris, ['spiffe://x'])
  })

  for (const options of [{ key: 'rsa' }, { key: 'ed25519' }, { digest: 'sha384' }, { digest: 'sha512' }] as const)
    it(`verifies the signature of ${Object.values(options).join()}`, () => {
      assert.equal(parse(opensslCsr(options)).commonName, 'system:node:worker-1')
    })

  it('tolerates text around the first PEM block, as Go does', () => {
    assert.equal(parse(`text\n${pem}trailing`).commonName, 'system:node:worker-1')
  })

  const changed = (at: number): Uint8Array => der.with(at, (der[at] ?? 0) ^ 1)
  const wrongPem = /^PEM block type must be CERTIFICATE REQUEST$/
  const refused: [string, string, RegExp][] = [
    ['no PEM at all', 'nonsense', wrongPem],
    ['another PEM type', pem.replaceAll(LABEL, 'NEW CERTIFICATE REQUEST'), wrongPem],
    ['a changed signature', encodePem(changed(der.length - 1), LABEL), /^x509: ECDSA verification failure$/],
    ['a changed subject', encodePem(changed(der.indexOf(0x6e, 40)), LABEL), /^x509: ECDSA verification failure$/],
    ['bytes after the request', encodePem(Buffer.concat([der, Buffer.of(0)]), LABEL), /trailing data|structure error/],
    [
      'a whole value after the request',
      encodePem(Buffer.concat([der, Buffer.of(5, 0)]), LABEL),
      /^asn1: syntax error: trailing data$/,
    ],
    ['a truncated request', encodePem(der.subarray(0, -1), LABEL), /^asn1: structure error/],
    ['an empty request', encodePem(Buffer.of(0x30, 0), LABEL), /^asn1: structure error/],
    ['a SHA-1 signature', opensslCsr({ digest: 'sha1' }), /algorithm unimplemented/],
  ]
  for (const [what, input, message] of refused)
    it(`refuses ${what}`, () => {
      assert.throws(
        () => parse(input),
        (error: unknown) => error instanceof CertificateRequestError && message.test(error.message),
      )
    })
})

describe('signer validation', () => {
  const client = 'kubernetes.io/kube-apiserver-client-kubelet'
  const serving = 'kubernetes.io/kubelet-serving'
  const clientUsages = ['digital signature', 'client auth']
  const servingUsages = ['digital signature', 'server auth']
  const wantOrganization = 'subject organization is not system:nodes'
  const wantCommonName = 'subject common name does not begin with system:node:'
  const wantClientUsages = 'usages did not match [client auth digital signature key encipherment]'

  const rows: [string, string, CsrOptions, string[], string | undefined][] = [
    ['a client request as the kubelet makes it is signed', client, {}, clientUsages, undefined],
    ['key encipherment may be asked for too', client, {}, [...clientUsages, 'key encipherment'], undefined],
    ['the order of usages does not matter', client, {}, ['client auth', 'digital signature'], undefined],
    ['another organization is refused', client, { subject: '/O=x/CN=system:node:w' }, clientUsages, wantOrganization],
    [
      'a second organization is refused',
      client,
      { subject: '/O=system:nodes/O=x/CN=system:node:w' },
      clientUsages,
      wantOrganization,
    ],
    ['no organization is refused', client, { subject: '/CN=system:node:w' }, clientUsages, wantOrganization],
    ['a CN that is no node is refused', client, { subject: '/O=system:nodes/CN=w' }, clientUsages, wantCommonName],
    [
      'a CN of the prefix alone is refused',
      client,
      { subject: '/O=system:nodes/CN=system:node:' },
      clientUsages,
      wantCommonName,
    ],
    [
      'a DNS name in a client request is refused',
      client,
      { subjectAltName: 'DNS:w' },
      clientUsages,
      'DNS subjectAltNames are not allowed',
    ],
    [
      'an IP address in a client request is refused',
      client,
      { subjectAltName: 'IP:10.0.0.1' },
      clientUsages,
      'IP subjectAltNames are not allowed',
    ],
    [
      'an email address in a client request is refused',
      client,
      { subjectAltName: 'email:a@b.c' },
      clientUsages,
      'Email subjectAltNames are not allowed',
    ],
    [
      'a URI in a client request is refused',
      client,
      { subjectAltName: 'URI:spiffe://x' },
      clientUsages,
      'URI subjectAltNames are not allowed',
    ],
    ['client auth alone is refused', client, {}, ['client auth'], wantClientUsages],
    ['digital signature alone is refused', client, {}, ['digital signature'], wantClientUsages],
    ['server auth in a client request is refused', client, {}, [...clientUsages, 'server auth'], wantClientUsages],
    ['a serving request with a DNS name is signed', serving, { subjectAltName: 'DNS:w' }, servingUsages, undefined],
    [
      'a serving request with an IP address is signed',
      serving,
      { subjectAltName: 'IP:10.0.0.1' },
      servingUsages,
      undefined,
    ],
    ['a serving request without a name is refused', serving, {}, servingUsages, 'DNS or IP subjectAltName is required'],
    [
      'an email address in a serving request is refused',
      serving,
      { subjectAltName: 'DNS:w,email:a@b.c' },
      servingUsages,
      'Email subjectAltNames are not allowed',
    ],
    [
      'a URI in a serving request is refused',
      serving,
      { subjectAltName: 'DNS:w,URI:spiffe://x' },
      servingUsages,
      'URI subjectAltNames are not allowed',
    ],
    [
      'client auth in a serving request is refused',
      serving,
      { subjectAltName: 'DNS:w' },
      clientUsages,
      'usages did not match [digital signature key encipherment server auth]',
    ],
  ]
  for (const [sentence, signerName, options, usages, refusal] of rows)
    it(sentence, () => {
      assert.equal(signerRefusal(parse(opensslCsr(options)), signerName, usages), refusal)
    })
})
