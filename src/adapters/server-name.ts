/** Whether a server's certificate is for the name or address that was asked. Stricter than Node's: subjectAltName only. */
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { BootstrapError } from '../lib/errors.ts'
import { printable } from '../lib/text.ts'

/**
 * As `tls.checkServerIdentity`, but a certificate without a subjectAltName is refused, as Go refuses it: Node would
 * fall back to the common name.
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
    return checkServerIdentity(host, certificate) === undefined
  } catch {
    return false
  }
}
