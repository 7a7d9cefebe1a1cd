/** Whether a server's certificate is for the name or address that was asked, and not a kubelet's. Stricter than Node's: subjectAltName only. */
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { BootstrapError } from '../lib/errors.ts'
import { printable } from '../lib/text.ts'

/** Of what kubernetes.io/kubelet-serving signs, and of nothing else that the cluster's CA does. */
const NODES = 'system:nodes'

/** The types of Node know one value of each; a subject may have several. */
const valuesOf = (value: string | string[] | undefined): string[] => [value ?? []].flat()

/**
 * As `tls.checkServerIdentity`, but the common name counts for nothing, as for Go: Node would fall back to it where there is
 * no subjectAltName, and where there is one of addresses, e-mail or URIs alone. The certificate by which a kubelet serves is
 * of the same CA, but proves a node and no API server: one stolen key of a node would be enough to pose as the cluster.
 */
export function checkServerName(host: string, certificate: PeerCertificate): BootstrapError | undefined {
  // Node's types promise one to a certificate that has none.
  const { O, CN } = (certificate.subject as PeerCertificate['subject'] | undefined) ?? {}
  if (valuesOf(O).includes(NODES))
    return new BootstrapError('server-is-a-node', `${host} shows the certificate of ${printable(valuesOf(CN).join())}`)
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
