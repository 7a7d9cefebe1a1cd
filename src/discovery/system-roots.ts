/** The certificates that this machine trusts for the public web: the operator's list, not the one that Node brings along. */
import { BootstrapError } from '../lib/errors.ts'
import type { Files } from '../lib/ports.ts'

/** In Go's order (crypto/x509/root_linux.go): Debian, Fedora before and after 2014, OpenSUSE, OpenELEC, CentOS, Alpine. */
const PLACES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
] as const

const MAX_BYTES = 4 * 1024 * 1024

/** PEM. `certificateFile` is $SSL_CERT_FILE, which then is the only place. Throws `system-roots-missing`. */
export async function systemRoots(files: Files, certificateFile: string | undefined): Promise<string> {
  const places = certificateFile === undefined ? PLACES : [certificateFile]
  for (const place of places) {
    const bytes = await files.read(place, MAX_BYTES)
    if (bytes !== undefined) return Buffer.from(bytes).toString('latin1')
  }
  throw new BootstrapError(
    'system-roots-missing',
    `this machine has no list of trusted CAs (looked at ${places.join(', ')})`,
  )
}
