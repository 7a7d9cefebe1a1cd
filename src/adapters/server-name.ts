/** Whether a server's certificate is for the name or address that was asked. Stricter than Node's: subjectAltName only. */
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { BootstrapError } from '../lib/errors.ts'
import { printable } from '../lib/text.ts'

/**
 * As `tls.checkServerIdentity`, but the common name counts for nothing, as for Go: Node would fall back to it where there is
 * no subjectAltName, and where there is one of addresses, e-mail or URIs alone.
 */
export function checkServerName(host: string, certificate: PeerCertificate): BootstrapError | undefined {
  const names = certificate.subjectaltname
  if (names === undefined || names === '')
    return new BootstrapError('server-name-mismatch', `the certificate of ${host} has no subjectAltName`)
  return isFor(host, certificate)
    ? undefined
    : new BootstrapError('server-name-mismatch', `the certificate of ${host} is for ${printable(names)}`)
}

/** Node throws for names that it cannot read, and from where it asks this, nobody would catch that. */
function isFor(host: string, certificate: PeerCertificate): boolean {
  try {
    const withoutCommonName = { ...certificate, subject: { ...certificate.subject, CN: '' } }
    return checkServerIdentity(host, withoutCommonName) === undefined
  } catch {
    return false
  }
}
