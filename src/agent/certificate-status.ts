/** What the status says of one certificate, whatever its kind, and of the request for the next one. Pure. */
import { timestamp } from '../lib/timestamp.ts'
import type { SubjectNames } from '../pki/subject-names.ts'
import { keyFingerprint, subjectPublicKeyInfo } from '../pki/private-key.ts'
import { approvalCommand, denialCommand } from './actions/request.ts'
import type { Outdated, SeenCertificate } from './observed.ts'

/** All times are RFC 3339 in UTC. */
export interface StatusRequest {
  name: string
  fingerprint: string
  createdAt?: string
  /** The command, unless its certificate would be of no use. */
  approve?: string
  /** Where it is not what is wanted any more: what sets it apart, and the command after which another is filed. */
  outdated?: string
  deny?: string
  /** Of a serving certificate: the names and addresses that it is asked for. */
  names?: readonly string[]
}

export interface StatusCertificate {
  subject: string
  serialNumber: string
  fingerprint: string
  notBefore: string
  notAfter: string
  renewAt: string
  /** When its file was written. */
  installedAt: string
  /** Of a serving certificate. */
  names?: readonly string[]
}

const listed = ({ dnsNames, ipAddresses }: SubjectNames): string[] => [...dnsNames, ...ipAddresses]

/** The open request is not what is wanted any more, and a person can make room for another. */
export const isToBeDenied = <Seen extends Pick<SeenCertificate, 'outdated' | 'request'>>(
  seen: Seen,
): seen is Seen & { outdated: Outdated } => seen.outdated !== undefined && seen.request?.outcome.kind === 'pending'

export function requestOf(seen: SeenCertificate): { request?: StatusRequest } {
  const { pending, request, outdated } = seen
  if (pending === undefined) return {}
  return {
    request: {
      name: pending.name,
      fingerprint: keyFingerprint(subjectPublicKeyInfo(pending.key)),
      ...(request === undefined ? {} : { createdAt: timestamp(request.createdAtMs) }),
      ...(outdated?.isUseless === true ? {} : { approve: approvalCommand(pending.name) }),
      ...(outdated === undefined ? {} : { outdated: outdated.why }),
      ...(isToBeDenied(seen) ? { deny: denialCommand(pending.name) } : {}),
      ...(pending.names === undefined ? {} : { names: listed(pending.names) }),
    },
  }
}

export function certificateOf({ identity }: SeenCertificate): { certificate?: StatusCertificate } {
  if (identity.kind !== 'ours') return {}
  const { certificate, writtenAtMs } = identity.pair
  const names = listed(certificate.subjectNames)
  return {
    certificate: {
      subject: certificate.subjectText,
      serialNumber: certificate.serialNumber,
      fingerprint: `SHA256:${certificate.fingerprint}`,
      notBefore: timestamp(certificate.notBeforeMs),
      notAfter: timestamp(certificate.notAfterMs),
      renewAt: timestamp(identity.rotateAtMs),
      installedAt: timestamp(writtenAtMs),
      ...(names.length === 0 ? {} : { names }),
    },
  }
}
