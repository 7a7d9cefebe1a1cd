/** Certificates for tests, issued by openssl: an implementation that shares no line with the one under test. */
import { execFile } from 'node:child_process'
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface CertificateFiles {
  certificatePath: string
  keyPath: string
}

export interface LeafRequest {
  /** The file names: `NAME.crt` and `NAME.key`. */
  name: string
  /** As openssl writes it: `/O=system:masters/CN=admin`. */
  subject: string
  usage: 'serverAuth' | 'clientAuth'
  /** As openssl writes it: `IP:127.0.0.1,DNS:localhost`. */
  subjectAltName?: string
}

/** A self-signed CA, `NAME.crt` and `NAME.key` in `directory`. */
export async function createAuthority(directory: string, name: string, commonName: string): Promise<CertificateFiles> {
  return certify(directory, name, `/CN=${commonName}`, [
    'basicConstraints=critical,CA:TRUE',
    'keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign',
    'subjectKeyIdentifier=hash',
  ])
}

/** A certificate for a year and a day from `authority`, in `directory`. */
export async function issueLeaf(
  directory: string,
  authority: CertificateFiles,
  request: LeafRequest,
): Promise<CertificateFiles> {
  const extensions = [
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature',
    `extendedKeyUsage=${request.usage}`,
    ...(request.subjectAltName === undefined ? [] : [`subjectAltName=${request.subjectAltName}`]),
  ]
  return certify(directory, request.name, request.subject, extensions, authority)
}

/** The pin that `kubeadm` prints: over the raw DER of the SubjectPublicKeyInfo, as openssl extracts it. */
export async function caCertHash(certificatePath: string): Promise<string> {
  const { stdout } = await run('openssl', ['x509', '-in', certificatePath, '-noout', '-pubkey'])
  const der = Buffer.from(stdout.replace(/-----[^-]+-----/g, ''), 'base64')
  return `sha256:${createHash('sha256').update(der).digest('hex')}`
}

/**
 * A P-256 key as `EC PRIVATE KEY`: the one encoding in which an API server reads the public half of a service account key
 * and every component reads the private one.
 */
export async function createKey(path: string): Promise<void> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(path, privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 })
}

export async function readPem(files: CertificateFiles): Promise<{ certificate: string; key: string }> {
  const [certificate, key] = await Promise.all([
    readFile(files.certificatePath, 'utf8'),
    readFile(files.keyPath, 'utf8'),
  ])
  return { certificate, key }
}

async function certify(
  directory: string,
  name: string,
  subject: string,
  extensions: readonly string[],
  authority?: CertificateFiles,
): Promise<CertificateFiles> {
  const path = (ending: string) => join(directory, `${name}.${ending}`)
  const files = { certificatePath: path('crt'), keyPath: path('key') }
  // A configuration of our own, because the system's adds extensions that differ from one distribution to the next.
  await Promise.all([
    createKey(files.keyPath),
    writeFile(path('cnf'), ['[dn]', '[ext]', ...extensions, ''].join('\n')),
    writeFile(path('req.cnf'), '[req]\ndistinguished_name=dn\n[dn]\n'),
  ])
  const request = ['-new', '-key', files.keyPath, '-subj', subject, '-config', path('req.cnf')]
  await run('openssl', ['req', ...request, '-out', path('csr')])
  const signer =
    authority === undefined
      ? ['-signkey', files.keyPath]
      : ['-CA', authority.certificatePath, '-CAkey', authority.keyPath]
  const serial = `0x${randomBytes(15).toString('hex')}`
  const output = ['-extfile', path('cnf'), '-extensions', 'ext', '-days', '366', '-out', files.certificatePath]
  await run('openssl', ['x509', '-req', '-in', path('csr'), ...signer, '-set_serial', serial, ...output])
  return files
}
