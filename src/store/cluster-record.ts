/** What discovery found out, kept over restarts in `cluster.json`: a reboot with the control plane down loses nothing. */
import { join } from 'node:path'
import type { Evidence, KubeconfigDocument } from '../discovery/discovered.ts'
import type { Approval } from '../kube/certificate-signing-request.ts'
import { caBundle, type Cluster } from '../kube/cluster.ts'
import { fieldAt, listAt, numberAt, parseJson, textAt } from '../lib/json.ts'
import type { Files } from '../lib/ports.ts'
import { timestamp } from '../lib/timestamp.ts'
import { CertificateError, parseCertificates } from '../pki/certificate.ts'
import { replaceFile } from './durable-file.ts'

export interface ClusterRecord {
  cluster: Cluster
  evidence: Evidence
  /** Of the discovery configuration that this was found by: another configuration means another discovery. */
  configurationDigest: string
  /** Of the files of this machine that it rests on, as they were then. */
  inputsDigest: string
  /** What HTTPS discovery was handed: it may hold the credential of a request that is made after a restart. */
  document: KubeconfigDocument | undefined
  verifiedAtMs: number
  /** How this cluster approved the request by which the machine first became its node; undefined until it has. */
  approval: Approval | undefined
  /**
   * This machine has been a node, with a certificate in its place and a kubeconfig beside it. False in a record of a version
   * that did not write it down.
   */
  hasJoined: boolean
}

/** A kubeconfig of the largest size, six bytes for each character in JSON, beside a CA bundle of the largest size. */
export const MAX_RECORD_BYTES = 8 * 1024 * 1024

export const clusterRecordPath = (stateDirectory: string): string => join(stateDirectory, 'cluster.json')

/** Undefined where there is none, and for one that cannot be read as such: then the cluster is discovered anew. */
export async function readClusterRecord(files: Files, stateDirectory: string): Promise<ClusterRecord | undefined> {
  const bytes = await files.read(clusterRecordPath(stateDirectory), MAX_RECORD_BYTES)
  return bytes === undefined ? undefined : parseClusterRecord(parseJson(bytes))
}

function parseClusterRecord(value: unknown): ClusterRecord | undefined {
  const server = URL.parse(textAt(value, 'server') ?? '')
  const method = textAt(value, 'evidence', 'method')
  const source = textAt(value, 'evidence', 'source')
  const configurationDigest = textAt(value, 'configurationDigest')
  const inputsDigest = textAt(value, 'inputsDigest')
  const verifiedAtMs = Date.parse(textAt(value, 'verifiedAt') ?? '')
  const authorities = parseAuthorities(textAt(value, 'certificateAuthority') ?? '')
  if (server?.protocol !== 'https:' || source === undefined || configurationDigest === undefined) return undefined
  if (authorities === undefined || inputsDigest === undefined || Number.isNaN(verifiedAtMs)) return undefined
  if (method !== 'token' && method !== 'file' && method !== 'https') return undefined
  const sentences = (name: string): string[] =>
    listAt(value, 'evidence', name).filter((item) => typeof item === 'string')
  const tokenId = textAt(value, 'evidence', 'tokenId')
  const verified = sentences('verified')
  const evidence = { method, source, verified, ...(tokenId === undefined ? {} : { tokenId }) } as const
  const document = parseDocument(fieldAt(value, 'document'))
  const approval = parseApproval(fieldAt(value, 'approval'))
  const hasJoined = fieldAt(value, 'hasJoined') === true
  const found = { cluster: { server, authorities }, evidence, document, verifiedAtMs, approval, hasJoined }
  return { ...found, configurationDigest, inputsDigest }
}

function parseDocument(value: unknown): KubeconfigDocument | undefined {
  const [url, text] = [textAt(value, 'url'), textAt(value, 'text')]
  if (url === undefined || text === undefined) return undefined
  return { url, text, etag: textAt(value, 'etag'), lastModified: textAt(value, 'lastModified') }
}

function parseApproval(value: unknown): Approval | undefined {
  const reason = textAt(value, 'reason')
  return reason === undefined ? undefined : { reason, afterMs: numberAt(value, 'afterMs') ?? NaN }
}

function parseAuthorities(pem: string): Cluster['authorities'] | undefined {
  try {
    return parseCertificates(pem)
  } catch (thrown) {
    if (thrown instanceof CertificateError) return undefined
    throw thrown
  }
}

export async function writeClusterRecord(files: Files, stateDirectory: string, record: ClusterRecord): Promise<void> {
  const content = {
    server: record.cluster.server.href,
    certificateAuthority: caBundle(record.cluster),
    evidence: record.evidence,
    configurationDigest: record.configurationDigest,
    inputsDigest: record.inputsDigest,
    document: record.document,
    verifiedAt: timestamp(record.verifiedAtMs),
    approval: record.approval,
    hasJoined: record.hasJoined,
  }
  await replaceFile(files, clusterRecordPath(stateDirectory), `${JSON.stringify(content, null, 2)}\n`, 0o600, 0o700)
}
