/** The things that the agent looks at, made for tests of its decisions: a configuration, a cluster, a pair, a request. */
import { createPrivateKey } from 'node:crypto'
import { usagesFor, type ObservedRequest, type Outcome } from '../../../src/kube/certificate-signing-request.ts'
import { parseConfiguration, type JoinConfiguration } from '../../../src/config/index.ts'
import {
  createCertificateAuthority,
  type CertificateAuthority,
  type CertificateOptions,
} from '../../../src/dev-cluster/certificate-authority.ts'
import {
  certificateSigningRequestName,
  createCertificateSigningRequest,
} from '../../../src/pki/certificate-signing-request.ts'
import { parseCertificates } from '../../../src/pki/certificate.ts'
import { subjectPublicKeyInfo } from '../../../src/pki/private-key.ts'
import type { CertificatePair } from '../../../src/store/certificate-pair.ts'
import type { ClusterRecord } from '../../../src/store/cluster-record.ts'
import type { PendingRequest, Refusal } from '../../../src/store/pending-request.ts'
import { digest, discoveryDigest } from '../../../src/agent/digests.ts'
import type { SeenIdentity } from '../../../src/agent/observed.ts'

export const NOW_MS = Date.parse('2026-11-23T12:00:00.000Z')
export const MINUTE_MS = 60_000
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

export const TOKEN_ID = 'abcdef'
export const TOKEN_SECRET = '0123456789abcdef'
export const PIN = 'a'.repeat(64)

type Overrides = Readonly<Record<string, unknown>>

/** A join.yaml's meaning; each argument replaces a whole top-level section. */
export function configurationWith(overrides: Overrides = {}): JoinConfiguration {
  const document = {
    apiVersion: 'node-bootstrap/v1',
    kind: 'JoinConfiguration',
    node: { name: 'worker-1' },
    discovery: tokenDiscovery(),
    ...overrides,
  }
  const result = parseConfiguration(JSON.stringify(document), { file: 'join.yaml', hostName: 'a-host' })
  if ('configuration' in result) return result.configuration
  throw new Error(JSON.stringify(result.problems))
}

export const tokenDiscovery = (overrides: Overrides = {}): Overrides => ({
  token: {
    endpoints: ['10.0.0.10:6443'],
    token: `${TOKEN_ID}.${TOKEN_SECRET}`,
    caCertHashes: [`sha256:${PIN}`],
    ...overrides,
  },
})

export function recordFor(configuration: JoinConfiguration, authority: CertificateAuthority): ClusterRecord {
  return {
    cluster: { server: new URL('https://10.0.0.10:6443'), authorities: parseCertificates(authority.certificatePem) },
    evidence: { method: 'token', source: '10.0.0.10:6443', verified: ['it was verified'] },
    configurationDigest: discoveryDigest(configuration),
    inputsDigest: digest([null]),
    document: undefined,
    verifiedAtMs: NOW_MS - HOUR_MS,
    approval: undefined,
    hasJoined: true,
  }
}

/** What the signer of a good cluster issues for worker-1, valid for a day from `NOW_MS`; every field can be another. */
export function pairFrom(authority: CertificateAuthority, overrides: CertificateOptions = {}): CertificatePair {
  const issued = authority.issue({
    commonName: 'system:node:worker-1',
    organizations: ['system:nodes'],
    extendedKeyUsages: ['clientAuth'],
    notBeforeMs: NOW_MS,
    notAfterMs: NOW_MS + DAY_MS,
    ...overrides,
  })
  const [certificate] = parseCertificates(issued.certificatePem)
  return {
    certificate,
    intermediates: [],
    key: createPrivateKey(issued.privateKeyPem),
    chainPem: issued.certificatePem,
    writtenAtMs: NOW_MS,
  }
}

export function pendingFor(pair: Pick<CertificatePair, 'key'>): PendingRequest {
  const subject = { commonName: 'system:node:worker-1', organizations: ['system:nodes'] }
  const usages = usagesFor('client auth', false)
  return {
    key: pair.key,
    request: createCertificateSigningRequest(pair.key, subject),
    name: certificateSigningRequestName({ spki: subjectPublicKeyInfo(pair.key), subject, usages }),
    usages,
    expirationSeconds: undefined,
    names: undefined,
    unsentSince: undefined,
  }
}

export const requestWith = (outcome: Outcome, name = 'node-csr-example'): ObservedRequest => ({
  name,
  uid: 'd0a9b2f4-0000-4000-8000-000000000001',
  resourceVersion: '4711',
  createdAtMs: NOW_MS - MINUTE_MS,
  username: `system:bootstrap:${TOKEN_ID}`,
  approval: undefined,
  outcome,
})

export const refusalAt = (atMs: number, kind: Refusal['kind'] = 'denied'): Refusal => ({
  kind,
  name: 'node-csr-example',
  reason: 'KubectlDeny',
  message: 'not this machine',
  atMs,
  configurationDigest: 'sha256:digest',
  count: 1,
})

/** What the disk says of a node where nothing is odd and nothing was asked for before. */
export const NOTHING_ODD = {
  isUntried: false,
  serving: undefined,
  hasJoined: false,
  mayJoin: true,
  lastRefusal: undefined,
  keysMadeAtMs: [],
  keysAssumedAtMs: [],
  leftOver: [],
  oddities: [],
  failedHooks: undefined,
  exposed: [],
  failedProtection: undefined,
  failedRestore: undefined,
  failedPublish: undefined,
  publicationFault: undefined,
  unprotected: [],
  outdated: undefined,
  authentication: { kind: 'accepted', atMs: NOW_MS },
  bundle: undefined,
  nextRecheckMs: undefined,
  failedRecheck: undefined,
} as const

/** This node's own pair in its place, renewed by the agent. */
export const identityOf = (pair: CertificatePair, rotateAtMs: number): SeenIdentity & { kind: 'ours' } => ({
  kind: 'ours',
  pair,
  rotateAtMs,
  overdueAtMs: Infinity,
  misplaced: false,
  isBehindLink: false,
  isRefused: false,
})

export const newAuthority = (): CertificateAuthority => createCertificateAuthority()
