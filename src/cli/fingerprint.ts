/** `node-bootstrap fingerprint`: the digests that people compare, each with the command that shows the other side's. */
import { nodeFiles } from '../adapters/files.ts'
import { CLIENT, pairPlace, SERVING, stateDirectory, type CertificateKind } from '../agent/certificate-kind.ts'
import { DEFAULT_PATH, readConfiguration } from '../compose/configuration-file.ts'
import type { FilesConfiguration } from '../config/index.ts'
import { caCertHashes } from '../kube/cluster.ts'
import { EXIT, type ExitStatus } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import { timestamp } from '../lib/timestamp.ts'
import type { Certificate } from '../pki/certificate.ts'
import { sha256Hex, subjectPublicKeyInfo } from '../pki/private-key.ts'
import { currentPairPath, readCurrentPair } from '../store/certificate-pair.ts'
import { readClusterRecord } from '../store/cluster-record.ts'
import { readPendingRequest } from '../store/pending-request.ts'
import type { Invocation } from './invocation.ts'

/** All digests are SHA-256, in lower-case hex unless it says otherwise. */
export interface Fingerprints {
  request?: RequestFingerprint
  certificate?: CertificateFingerprint
  /** Where there is anything of a serving certificate. */
  serving?: { request?: RequestFingerprint; certificate?: CertificateFingerprint }
  /** As `kubeadm token create --print-join-command` prints them. */
  caCertHashes?: readonly string[]
}

interface RequestFingerprint {
  name: string
  publicKey: string
}

interface CertificateFingerprint {
  file: string
  subject: string
  serialNumber: string
  notAfter: string
  /** As `openssl x509 -fingerprint -sha256` prints it: upper-case pairs with colons. */
  fingerprint: string
  publicKey: string
}

export async function fingerprint({ values }: Invocation): Promise<ExitStatus> {
  const path = typeof values['config'] === 'string' ? values['config'] : DEFAULT_PATH
  const { files } = await readConfiguration(nodeFiles, path)
  const client = await fingerprintsOf(files, CLIENT)
  const serving = await fingerprintsOf(files, SERVING)
  const record = await readClusterRecord(nodeFiles, files.state)
  if (client.request === undefined && client.certificate === undefined && record === undefined)
    throw new BootstrapError('not-joined', 'there is no key, no certificate and no verified cluster here yet')
  const found: Fingerprints = {
    ...client,
    ...(serving.request === undefined && serving.certificate === undefined ? {} : { serving }),
    ...(record === undefined ? {} : { caCertHashes: caCertHashes(record.cluster.authorities) }),
  }
  process.stdout.write(values['json'] === true ? `${JSON.stringify(found, null, 2)}\n` : render(found))
  return EXIT.ok
}

async function fingerprintsOf(
  configured: FilesConfiguration,
  kind: CertificateKind,
): Promise<Pick<Fingerprints, 'request' | 'certificate'>> {
  const pending = await readPendingRequest(nodeFiles, stateDirectory(configured, kind))
  const place = pairPlace(configured, kind)
  const stored = await readCurrentPair(nodeFiles, place)
  return {
    ...(pending === undefined
      ? {}
      : { request: { name: pending.name, publicKey: sha256Hex(subjectPublicKeyInfo(pending.key)) } }),
    ...(stored.kind === 'pair'
      ? { certificate: certificateFacts(stored.pair.certificate, currentPairPath(place)) }
      : {}),
  }
}

const certificateFacts = (certificate: Certificate, file: string): CertificateFingerprint => ({
  file,
  subject: certificate.subjectText,
  serialNumber: certificate.serialNumber,
  notAfter: timestamp(certificate.notAfterMs),
  fingerprint: (certificate.fingerprint.toUpperCase().match(/../g) ?? []).join(':'),
  publicKey: sha256Hex(certificate.spki),
})

const DIGEST_OF_KEY = 'openssl pkey -pubin -outform der | sha256sum'

function linesOf({ request, certificate }: Pick<Fingerprints, 'request' | 'certificate'>): string[] {
  const lines: string[] = []
  if (request !== undefined)
    lines.push(
      `request      ${request.name}`,
      `  public key ${request.publicKey}`,
      `             kubectl get csr ${request.name} -o jsonpath='{.spec.request}' | base64 -d | openssl req -noout -pubkey | ${DIGEST_OF_KEY}`,
    )
  if (certificate !== undefined)
    lines.push(
      `certificate  ${certificate.subject}, serial ${certificate.serialNumber}, valid until ${certificate.notAfter}`,
      `  sha256     ${certificate.fingerprint}`,
      `             openssl x509 -noout -fingerprint -sha256 -in ${certificate.file}`,
      `  public key ${certificate.publicKey}`,
      `             openssl x509 -noout -pubkey -in ${certificate.file} | ${DIGEST_OF_KEY}`,
    )
  return lines
}

export function render({ serving, caCertHashes: hashes = [], ...client }: Fingerprints): string {
  const lines = linesOf(client)
  if (serving !== undefined) lines.push('', 'of the serving certificate:', ...linesOf(serving), '')
  for (const hash of hashes) lines.push(`cluster CA   ${hash}`)
  if (hashes.length > 0)
    lines.push(
      `             on the control plane: openssl x509 -noout -pubkey -in /etc/kubernetes/pki/ca.crt | ${DIGEST_OF_KEY}`,
    )
  return `${lines.join('\n')}\n`
}
