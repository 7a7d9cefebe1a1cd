import assert from 'node:assert/strict'
import { createHash, createPublicKey } from 'node:crypto'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  createCertificateAuthority,
  type CertificateAuthority,
} from '../../../src/dev-cluster/certificate-authority.ts'
import {
  certificateToPem,
  chainsTo,
  parseCertificate,
  parseCertificates,
  publicKeyPin,
  CertificateError,
  type Certificate,
} from '../../../src/pki/certificate.ts'
import { DerCursor, readAll, TAG } from '../../../src/pki/der-read.ts'
import * as der from '../../../src/pki/der-write.ts'
import { encodePem } from '../../../src/pki/pem.ts'
import { openssl, opensslText } from '../../harness/openssl.ts'
import { temporaryDirectory } from '../../harness/temporary-directory.ts'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const authority = createCertificateAuthority()
const first = (pem: string): Certificate => parseCertificates(pem)[0]

/** As openssl reads it: an implementation that shares no line with ours. */
async function judged(pem: string): Promise<Record<string, unknown>> {
  const show = async (...options: string[]): Promise<string> =>
    (await opensslText(['x509', '-noout', ...options], pem)).trim()
  const date = async (which: string): Promise<number> =>
    Date.parse((await show(`-${which}`, '-dateopt', 'iso_8601')).replace(/^.*=/, '').replace(' ', 'T'))
  const [subject, notBeforeMs, notAfterMs, serial, fingerprint, publicKey] = await Promise.all([
    show('-subject', '-nameopt', 'sep_multiline,utf8,sname'),
    date('startdate'),
    date('enddate'),
    show('-serial'),
    show('-fingerprint', '-sha256'),
    show('-pubkey'),
  ])
  const names = subject.split(/\n| \+ /).map((line) => line.trim())
  const values = (type: string): string[] =>
    names.filter((line) => line.startsWith(`${type}=`)).map((line) => line.slice(type.length + 1))
  return {
    commonNames: values('CN'),
    organizations: values('O'),
    notBeforeMs,
    notAfterMs,
    serialNumber: serial.replace('serial=', '').toLowerCase(),
    fingerprint: fingerprint.replace(/^.*=/, '').replaceAll(':', '').toLowerCase(),
    pin: sha256(await openssl(['pkey', '-pubin', '-outform', 'der'], publicKey)),
  }
}

const ours = (certificate: Certificate): Record<string, unknown> => ({
  commonNames: certificate.commonNames,
  organizations: certificate.organizations,
  notBeforeMs: certificate.notBeforeMs,
  notAfterMs: certificate.notAfterMs,
  serialNumber: certificate.serialNumber,
  fingerprint: certificate.fingerprint,
  pin: publicKeyPin(certificate),
})

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout']

/** Self-signed by openssl itself, with a key of its own. */
const selfSigned = (...options: string[]): Promise<string> =>
  opensslText(['req', '-x509', ...newKey, '/dev/null', '-config', '/dev/null', ...options])

/** Version 1: without any extension. */
async function ofVersion1(): Promise<string> {
  await using directory = await temporaryDirectory()
  const key = join(directory.path, 'key')
  const request = await openssl(['req', '-new', ...newKey, key, '-config', '/dev/null', '-subj', '/O=o/CN=x'])
  return await opensslText(['x509', '-req', '-signkey', key], request)
}

describe('parseCertificate', () => {
  const issued = [
    ['a node’s certificate', { commonName: 'system:node:a', organizations: ['system:nodes'] }],
    ['several organizations in one relative name', { commonName: 'x', organizations: ['one', 'two', 'system:nodes'] }],
    ['names beyond ASCII', { commonName: 'nœud 節点 \u{1f980}', organizations: ['Müller & Söhne'] }],
    ['no subject at all', {}],
    ['an RSA key', { commonName: 'x', keyType: 'rsa-2048' }],
    ['dates in GeneralizedTime', { commonName: 'x', notBeforeMs: Date.UTC(2050, 0), notAfterMs: Date.UTC(2051, 0) }],
    ['dates in the last century', { commonName: 'x', notBeforeMs: Date.UTC(1999, 0), notAfterMs: Date.UTC(1999, 11) }],
  ] as const
  for (const [name, options] of issued)
    it(`agrees with openssl about ${name}`, async () => {
      const { certificatePem } = authority.issue(options)
      assert.deepEqual(ours(first(certificatePem)), await judged(certificatePem))
    })

  for (const [name, certify] of [
    ['a serial number with its top bit set', () => selfSigned('-set_serial', '0x80ffffffffffffffff', '-subj', '/CN=x')],
    ['the serial number 1', () => selfSigned('-set_serial', '1', '-subj', '/CN=x')],
    ['an attribute that is there twice', () => selfSigned('-subj', '/O=a/OU=b/CN=first/O=c/CN=second')],
    ['UTF8String throughout', () => selfSigned('-utf8', '-subj', '/O=système/CN=nœud')],
    ['version 1', ofVersion1],
  ] as const)
    it(`agrees with openssl about ${name}, made by openssl`, async () => {
      const pem = await certify()
      assert.deepEqual(ours(first(pem)), await judged(pem))
    })

  it('reads the extended key usages, and none where there is no such extension', async () => {
    const usages = (pem: string): readonly string[] => first(pem).extendedKeyUsages
    assert.deepEqual(
      usages(authority.issue({ extendedKeyUsages: ['clientAuth', 'serverAuth', '1.2.3.4'] }).certificatePem),
      ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1', '1.2.3.4'],
    )
    assert.deepEqual(usages(authority.certificatePem), [])
    const critical = await selfSigned('-subj', '/CN=x', '-addext', 'extendedKeyUsage=critical,clientAuth')
    assert.deepEqual(usages(critical), ['1.3.6.1.5.5.7.3.2'])
  })

  it('pins the public key as it stands in the certificate, where writing it anew would give other bytes', () => {
    // An RSA key without the NULL parameter that every writer adds: OpenSSL reads it and re-encodes it with one.
    const rsa = createCertificateAuthority({ keyType: 'rsa-2048' })
    const members = DerCursor.over(rsa.subjectPublicKeyInfo, TAG.sequence)
    members.take()
    const key = members.take(TAG.bitString)
    const spki = der.toDer(
      der.sequence(der.sequence(der.objectIdentifier('1.2.840.113549.1.1.1')), der.fromDer(key.raw)),
    )
    const certificate = parseCertificate(
      authority.issue({ commonName: 'odd', subjectPublicKeyInfo: spki }).certificateDer,
    )
    const rewritten = createPublicKey(certificate.x509.publicKey.export({ type: 'spki', format: 'pem' }))
    assert.notDeepEqual(rewritten.export({ type: 'spki', format: 'der' }), Buffer.from(spki))
    assert.equal(publicKeyPin(certificate), sha256(spki))
  })

  it('is not led astray by another certificate’s PEM inside of it', () => {
    const inner = authority.issue({ commonName: 'inner' })
    const outer = authority.issue({ commonName: `outer\n${inner.certificatePem}` })
    const certificate = parseCertificate(outer.certificateDer)
    assert.match(certificate.commonNames[0] ?? '', /^outer/)
    assert.deepEqual(certificate.x509.raw, Buffer.from(outer.certificateDer))
    assert.match(certificate.subjectText, /outer/)
  })

  it('reads the DNS names and addresses of its subjectAltName, and no names of another kind', () => {
    const { certificatePem } = authority.issue({
      dnsNames: ['worker-1', 'worker-1.example.com'],
      ipAddresses: ['10.0.0.21', 'fd00::21'],
      uris: ['spiffe://example.com/worker'],
    })
    assert.deepEqual(first(certificatePem).subjectNames, {
      dnsNames: ['worker-1', 'worker-1.example.com'],
      ipAddresses: ['10.0.0.21', 'fd00::21'],
    })
  })

  it('gives back the same bytes as PEM', () => {
    const { certificatePem } = authority.issue({ commonName: 'x' })
    assert.equal(certificateToPem(first(certificatePem)), certificatePem)
  })

  it('shows names on one line', () => {
    const { subjectText } = first(authority.issue({ commonName: 'x', organizations: ['o'] }).certificatePem)
    assert.equal(subjectText, 'O=o, CN=x')
    assert.equal(first(authority.issue({}).certificatePem).subjectText, '')
  })

  it('refuses a certificate that is cut at any byte', () => {
    const { certificateDer } = authority.issue({ commonName: 'x' })
    for (let length = 0; length < certificateDer.length; length += 1)
      assert.throws(() => parseCertificate(certificateDer.subarray(0, length)), CertificateError)
  })

  it('refuses a byte too many', () => {
    const { certificateDer } = authority.issue({ commonName: 'x' })
    assert.throws(() => parseCertificate(Buffer.concat([certificateDer, Uint8Array.of(0)])), CertificateError)
  })

  it('refuses PEM where DER is asked for', () => {
    assert.throws(() => parseCertificate(Buffer.from(authority.certificatePem)), CertificateError)
  })

  it('throws nothing but CertificateError for a certificate with any bytes changed', () => {
    const { certificateDer } = authority.issue({
      commonName: 'x',
      organizations: ['o'],
      extendedKeyUsages: ['clientAuth'],
    })
    const change = fc.record({ at: fc.nat(certificateDer.length - 1), to: fc.nat(255) })
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const changed = Uint8Array.from(certificateDer)
        for (const { at, to } of changes) changed[at] = to
        try {
          const certificate = parseCertificate(changed)
          assert.equal(readAll(certificate.spki).length, 1)
        } catch (thrown) {
          assert(thrown instanceof CertificateError)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('throws nothing but CertificateError for arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        assert.throws(() => parseCertificate(bytes), CertificateError)
      }),
    )
  })
})

describe('parseCertificates', () => {
  it('reads a bundle in its order', () => {
    const other = createCertificateAuthority({ commonName: 'other' })
    const bundle = parseCertificates(`# a comment\n${other.certificatePem}\n${authority.certificatePem}`)
    assert.deepEqual(
      bundle.map(({ commonNames }) => commonNames[0]),
      ['other', 'kubernetes'],
    )
  })

  for (const [name, pem, reason] of [
    ['an empty text', '', /no certificate in it/],
    ['words', 'hello', /no certificate in it/],
    ['a private key beside the certificate', authority.certificatePem + authority.privateKeyPem, /is no CERTIFICATE/],
    [
      'one bad certificate among good ones',
      authority.certificatePem + encodePem(Uint8Array.of(48, 0), 'CERTIFICATE'),
      /too few/,
    ],
    ['a text that breaks off', authority.certificatePem.slice(0, -10), /./],
  ] as const)
    it(`refuses ${name}`, () => {
      assert.throws(
        () => parseCertificates(pem),
        (thrown) => thrown instanceof CertificateError && reason.test(thrown.message),
      )
    })

  it('parses a text once, until eight others have come after its last use', () => {
    const pem = authority.certificatePem
    const others = Array.from({ length: 8 }, () => createCertificateAuthority().certificatePem)
    const parsed = first(pem)
    for (const other of others.slice(1)) first(other)
    assert.equal(first(pem), parsed)
    for (const other of others) first(other)
    assert.notEqual(first(pem), parsed)
    assert.equal(first(pem).fingerprint, parsed.fingerprint)
  })

  it('gives each who asks an array of their own', () => {
    parseCertificates(authority.certificatePem).push(first(createCertificateAuthority().certificatePem))
    assert.equal(parseCertificates(authority.certificatePem).length, 1)
  })
})

describe('chainsTo', () => {
  const parse = ({ certificatePem }: { certificatePem: string }): Certificate => first(certificatePem)
  const root = createCertificateAuthority({ commonName: 'root' })
  const middle = createCertificateAuthority({ commonName: 'middle', parent: root })
  const low = createCertificateAuthority({ commonName: 'low', parent: middle })
  const impostor = createCertificateAuthority({ commonName: 'root' })
  const leaf = parse(low.issue({ commonName: 'leaf' }))
  const [rootCertificate, middleCertificate, lowCertificate] = [root, middle, low].map(parse) as [
    Certificate,
    Certificate,
    Certificate,
  ]
  /** Another certificate for the key and name of `subject`, signed by `issuer`. */
  const crossSign = (issuer: CertificateAuthority, subject: CertificateAuthority, commonName: string): Certificate =>
    parse({
      certificatePem: issuer.issue({
        commonName,
        subjectPublicKeyInfo: subject.subjectPublicKeyInfo,
        isCertificateAuthority: true,
      }).certificatePem,
    })

  const rows: readonly [
    name: string,
    leaf: Certificate,
    between: Certificate[],
    anchors: Certificate[],
    leads: boolean,
  ][] = [
    ['a certificate of the anchor itself', parse(root.issue({})), [], [rootCertificate], true],
    ['a chain over two intermediates in order', leaf, [lowCertificate, middleCertificate], [rootCertificate], true],
    ['a chain whose intermediates are in disorder', leaf, [middleCertificate, lowCertificate], [rootCertificate], true],
    ['an anchor that is an intermediate itself', leaf, [], [lowCertificate], true],
    ['an anchor in the middle of the chain', leaf, [lowCertificate], [middleCertificate], true],
    ['the second of two anchors', leaf, [lowCertificate, middleCertificate], [parse(impostor), rootCertificate], true],
    ['a gap in the chain', leaf, [middleCertificate], [rootCertificate], false],
    ['an anchor of the same name with another key', parse(impostor.issue({})), [], [rootCertificate], false],
    ['intermediates alone, without any anchor', leaf, [lowCertificate, middleCertificate], [], false],
    [
      'an anchor among the intermediates only',
      leaf,
      [lowCertificate, middleCertificate, rootCertificate],
      [parse(impostor)],
      false,
    ],
    ['itself as anchor, not self-signed', leaf, [], [leaf], false],
    ['a self-signed anchor for itself', rootCertificate, [], [rootCertificate], true],
  ]
  for (const [name, certificate, intermediates, anchors, leads] of rows)
    it(`${leads ? 'accepts' : 'refuses'} ${name}`, () => {
      assert.equal(chainsTo(certificate, intermediates, anchors), leads)
    })

  it('refuses an issuer that is no certificate authority', () => {
    const notAnAuthority = createCertificateAuthority({
      commonName: 'x',
      isCertificateAuthority: false,
      keyUsages: ['keyCertSign'],
      parent: root,
    })
    const signed = parse(notAnAuthority.issue({}))
    assert.equal(chainsTo(signed, [parse(notAnAuthority)], [rootCertificate]), false)
    assert.equal(chainsTo(signed, [], [parse(notAnAuthority)]), false)
  })

  it('refuses an issuer that may not sign certificates', () => {
    const mayNot = createCertificateAuthority({ commonName: 'x', keyUsages: ['digitalSignature'], parent: root })
    assert.equal(chainsTo(parse(mayNot.issue({})), [], [parse(mayNot)]), false)
  })

  it('refuses a signature over other bytes, be they as few as one', () => {
    const { certificateDer } = root.issue({ commonName: 'leaf-one' })
    const forged = Buffer.from(certificateDer)
    forged.write('leaf-two', forged.indexOf('leaf-one'))
    assert.equal(chainsTo(parseCertificate(forged), [], [rootCertificate]), false)
    assert.equal(chainsTo(parseCertificate(certificateDer), [], [rootCertificate]), true)
  })

  it('refuses an issuer whose key OpenSSL cannot use', () => {
    const members = DerCursor.over(root.subjectPublicKeyInfo, TAG.sequence)
    members.take()
    const key = der.fromDer(members.take(TAG.bitString).raw)
    const spki = der.toDer(der.sequence(der.sequence(der.objectIdentifier('1.2.3.4')), key))
    const unusable = parse(root.issue({ commonName: 'root', subjectPublicKeyInfo: spki, isCertificateAuthority: true }))
    assert.equal(chainsTo(parse(root.issue({})), [], [unusable]), false)
  })

  it('ends where two authorities have signed each other', () => {
    const other = createCertificateAuthority({ commonName: 'other' })
    const loop = [crossSign(root, other, 'other'), crossSign(other, root, 'root')]
    const signed = parse(other.issue({}))
    assert.equal(chainsTo(signed, loop, [parse(impostor)]), false)
    assert.equal(chainsTo(signed, loop, [rootCertificate]), true)
  })

  it('ends at once where a dozen certificates could each have signed all others', () => {
    const alike = Array.from({ length: 12 }, () => crossSign(root, root, 'root'))
    assert.equal(chainsTo(parse(root.issue({})), alike, [parse(impostor)]), false)
    const top = createCertificateAuthority({ commonName: 'top' })
    const wayOut = crossSign(top, root, 'root')
    assert.equal(chainsTo(parse(root.issue({})), [...alike, wayOut], [parse(top)]), true)
  })

  it('gives up after a hundred signatures, so that a bundle made for it keeps nobody busy', () => {
    const stranger = createCertificateAuthority({ commonName: 'stranger' })
    const decoys = Array.from({ length: 110 }, () => crossSign(stranger, low, 'low'))
    assert.equal(chainsTo(leaf, [...decoys, lowCertificate], [middleCertificate]), false)
    assert.equal(chainsTo(leaf, [...decoys.slice(0, 50), lowCertificate], [middleCertificate]), true)
  })
})
