/** What the status says of one certificate, whatever its kind, and of the request for the next one. Pure. */
import { timestamp } from '../lib/timestamp.ts'
import type { SubjectNames } from '../pki/subject-names.ts'
import { keyFingerprint, subjectPublicKeyInfo } from '../pki/private-key.ts'
import { approvalCommand } from './actions/request.ts'
import type { SeenCertificate } from './observed.ts'

/** All times are RFC 3339 in UTC. */
export interface StatusRequest {
  name: string
  fingerprint: string
  createdAt?: string
  approve: string
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

export function requestOf({ pending, request }: SeenCertificate): { request?: StatusRequest } {
  if (pending === undefined) return {}
  return {
    request: {
      name: pending.name,
      fingerprint: keyFingerprint(subjectPublicKeyInfo(pending.key)),
      ...(request === undefined ? {} : { createdAt: timestamp(request.createdAtMs) }),
      approve: approvalCommand(pending.name),
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
