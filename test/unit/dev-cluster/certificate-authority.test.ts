import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { createCertificateAuthority } from '../../../src/dev-cluster/certificate-authority.ts'
import { ipAddressBytes } from '../../../src/dev-cluster/x509-extensions.ts'
import { openssl } from './openssl.ts'

const text = (pem: string): string => openssl(['x509', '-in', 'cert.pem', '-noout', '-text'], { 'cert.pem': pem })

describe('certificate authority', () => {
  const ca = createCertificateAuthority()

  it('makes a self-signed CA and a server certificate that openssl verifies for its name', () => {
    const leaf = ca.issue({ dnsNames: ['api.test'], ipAddresses: ['127.0.0.1'], extendedKeyUsages: ['serverAuth'] })
    for (const name of [
      ['-verify_hostname', 'api.test'],
      ['-verify_ip', '127.0.0.1'],
    ])
      openssl(['verify', '-x509_strict', '-purpose', 'sslserver', ...name, '-CAfile', 'ca.pem', 'leaf.pem'], {
        'ca.pem': ca.certificatePem,
        'leaf.pem': leaf.certificatePem,
      })
  })

  it('chains through an RSA intermediate', () => {
    const intermediate = createCertificateAuthority({ parent: ca, commonName: 'intermediate', keyType: 'rsa-2048' })
    const leaf = intermediate.issue({ commonName: 'x', extendedKeyUsages: ['clientAuth'] })
    const files = {
      'ca.pem': ca.certificatePem,
      'intermediate.pem': intermediate.certificatePem,
      'leaf.pem': leaf.certificatePem,
    }
    const args = ['-x509_strict', '-purpose', 'sslclient', '-CAfile', 'ca.pem']
    openssl(['verify', ...args, '-untrusted', 'intermediate.pem', 'leaf.pem'], files)
    assert.throws(() => openssl(['verify', ...args, 'leaf.pem'], files), /unable to get local issuer certificate/)
  })

  it('hashes the public key as kubeadm does', () => {
    const spki = createPublicKey(ca.certificatePem).export({ type: 'spki', format: 'pem' })
    const digest = openssl(['dgst', '-sha256', '-r', 'key.der'], {
      'key.der': Buffer.from(
        String(spki)
          .split('\n')
          .filter((line) => !line.startsWith('-'))
          .join(''),
        'base64',
      ),
    })
    assert.equal(ca.caCertHash, `sha256:${digest.slice(0, 64)}`)
  })

  it('writes every field as it is told', () => {
    const issued = text(
      ca.issue({
        commonName: 'system:node:w',
        organizations: ['system:nodes', 'extra'],
        dnsNames: ['a.test'],
        ipAddresses: ['10.0.0.1', '2001:db8::1', '::ffff:1.2.3.4'],
        uris: ['spiffe://x'],
        notBeforeMs: Date.UTC(2049, 11, 31, 23, 59, 59),
        notAfterMs: Date.UTC(2050, 0, 1),
        extendedKeyUsages: ['clientAuth', '1.2.3.4'],
        keyUsages: ['keyCertSign', 'decipherOnly'],
        isCertificateAuthority: true,
      }).certificatePem,
    )
    for (const expected of [
      /Subject: O = system:nodes \+ O = extra, CN = system:node:w/,
      /Not Before: Dec 31 23:59:59 2049 GMT/,
      /Not After : Jan {2}1 00:00:00 2050 GMT/,
      /TLS Web Client Authentication, 1\.2\.3\.4/,
      /Certificate Sign, Decipher Only/,
      /CA:TRUE/,
      /DNS:a\.test, URI:spiffe:\/\/x, IP Address:10\.0\.0\.1, IP Address:2001:DB8:0:0:0:0:0:1, IP Address:0:0:0:0:0:FFFF:102:304/,
      /Subject Key Identifier/,
      /Authority Key Identifier/,
    ])
      assert.match(issued, expected)
  })

  it('leaves out what it is not told: names, usages, the authority', () => {
    const issued = text(ca.issue({ keyUsages: [] }).certificatePem)
    assert.match(issued, /Subject: \n/)
    assert.match(issued, /CA:FALSE/)
    for (const absent of [/Subject Alternative Name/, /Key Usage/]) assert.doesNotMatch(issued, absent)
  })

  it('certifies a given public key byte for byte, and keeps no private key for it', () => {
    const subjectPublicKeyInfo = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' })
    const issued = ca.issue({ subjectPublicKeyInfo })
    const certificate = new X509Certificate(issued.certificateDer)
    assert.deepEqual(certificate.publicKey.export({ type: 'spki', format: 'der' }), subjectPublicKeyInfo)
    assert.equal('privateKeyPem' in issued, false)
  })

  it('never issues one serial number twice', () => {
    const serials = Array.from({ length: 20 }, () => new X509Certificate(ca.issue({}).certificateDer).serialNumber)
    assert.equal(new Set(serials).size, 20)
  })

  it('refuses to encode what is no address', () => {
    assert.throws(() => ipAddressBytes('10.0.0.256'), TypeError)
  })
})
