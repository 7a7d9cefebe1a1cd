/** From what is known of the configuration, the files, the cluster and the join to the list of trade-offs. Pure. */
import { formatEndpoint, type Discovery, type JoinConfiguration } from '../config/index.ts'
import type { Approval } from '../kube/certificate-signing-request.ts'
import type { Cluster } from '../kube/cluster.ts'
import type { Finding } from '../lib/findings.ts'
import { timestamp } from '../lib/timestamp.ts'
import { publicKeyPin } from '../pki/certificate.ts'

/** A file that holds a secret, and can be read by more than its owner. */
export interface ReadableSecret {
  path: string
  /** Permission bits. */
  mode: number
  readableBy: 'all' | 'group'
}

/** A file of the configuration, where keys are kept, or a directory on the way there, that more than root and the agent can write. */
export interface WritablePlace {
  path: string
  /** Permission bits. */
  mode: number
  /** owner: neither root nor the agent. */
  writableBy: 'all' | 'group' | 'owner'
  /** The absolute path of the file or directory, as the configuration names it. */
  leadsTo: string
}

/** A file of the agent's own that others may read whatever mode it is given. */
export interface UnprotectedFile {
  path: string
  /** What it has that others should not: a private key, or what may be a credential of discovery. */
  holds: 'key' | 'credential'
}

export type Exposure = ReadableSecret | WritablePlace | UnprotectedFile

/** What is undefined is not known, or not yet. */
export interface TradeOffFacts {
  configuration: Pick<JoinConfiguration, 'discovery'>
  exposures: readonly Exposure[]
  cluster?: Cluster | undefined
  /** Of the request by which this machine first became a node. */
  approval?: Approval | undefined
  /** The bootstrap token that the API server accepted after the join, and when it last did. */
  acceptedToken?: { id: string; atMs: number } | undefined
}

/** In the order in which they become known. */
export function tradeOffs(facts: TradeOffFacts): Finding[] {
  const { configuration, exposures, cluster, approval, acceptedToken } = facts
  return [
    ...ofConfiguration(configuration.discovery),
    ...exposures.map(ofExposure),
    ...(cluster === undefined ? [] : ofCluster(configuration.discovery, cluster)),
    ...(approval === undefined ? [] : ofApproval(approval)),
    ...(acceptedToken === undefined ? [] : [ofToken(acceptedToken)]),
  ]
}

function ofConfiguration(discovery: Discovery): Finding[] {
  switch (discovery.kind) {
    case 'token':
      return [
        ...(isProven(discovery)
          ? []
          : [{ id: 'token-without-pin', seen: 'discovery.token has neither caCertHashes nor caFile' } as const]),
        { id: 'token-discovery', seen: 'the cluster is discovered by a bootstrap token' },
      ]
    case 'https':
      return isProven(discovery)
        ? []
        : [{ id: 'system-roots', seen: 'discovery.https has neither caFile nor caCertHashes' }]
    case 'file':
      return discovery.caFile === undefined ? [{ id: 'file-without-ca', seen: 'discovery.file has no caFile' }] : []
  }
}

const isProven = ({ caCertHashes, caFile }: { caCertHashes: readonly string[]; caFile?: string }): boolean =>
  caCertHashes.length > 0 || caFile !== undefined

const octal = (mode: number): string => `0${mode.toString(8).padStart(3, '0')}`

function ofExposure(exposure: Exposure): Finding {
  const { path } = exposure
  if ('holds' in exposure)
    return {
      id: exposure.holds === 'key' ? 'key-unprotected' : 'credential-unprotected',
      seen: `${path} can be read by others, and its file system does not let the agent change that`,
    }
  const { mode } = exposure
  if ('readableBy' in exposure)
    return {
      id: exposure.readableBy === 'all' ? 'secret-readable-by-all' : 'secret-readable-by-group',
      seen: `${path} holds a secret and has mode ${octal(mode)}`,
    }
  const { writableBy, leadsTo } = exposure
  const what = path === leadsTo ? path : `${path}, on the way to ${leadsTo},`
  if (writableBy === 'owner') return { id: 'configuration-writable', seen: `${what} belongs to another user than root` }
  const whose = writableBy === 'all' ? 'everybody' : 'its group'
  return { id: 'configuration-writable', seen: `${what} can be written by ${whose} (mode ${octal(mode)})` }
}

function ofCluster(discovery: Discovery, { server, authorities }: Cluster): Finding[] {
  if (discovery.kind !== 'token') return []
  const { endpoints, caCertHashes } = discovery
  const strangers = authorities.map(publicKeyPin).filter((pin) => !caCertHashes.includes(pin))
  return [
    ...(endpoints.some((endpoint) => new URL(`https://${formatEndpoint(endpoint)}`).host === server.host)
      ? []
      : [
          {
            id: 'server-elsewhere',
            seen: `cluster-info names the server ${server.host}, which is none of discovery.token.endpoints`,
          } as const,
        ]),
    ...(caCertHashes.length === 0 || strangers.length === 0
      ? []
      : [
          {
            id: 'authority-not-pinned',
            seen: `the cluster has a CA that is not pinned: ${strangers.map((pin) => `sha256:${pin}`).join(', ')}`,
          } as const,
        ]),
  ]
}

/** No person approves so soon. The API's times have a precision of a second. */
const AUTOMATIC_WITHIN_MS = 1000

export const isAutomatic = ({ reason, afterMs }: Approval): boolean =>
  reason === 'AutoApproved' || (afterMs >= 0 && afterMs <= AUTOMATIC_WITHIN_MS)

function ofApproval(approval: Approval): Finding[] {
  if (!isAutomatic(approval)) return []
  const { reason } = approval
  const seen =
    reason === 'AutoApproved'
      ? 'the certificate request was approved by a controller (AutoApproved)'
      : `the certificate request was approved within a second (${reason === '' ? 'without a reason' : reason})`
  return [{ id: 'automatic-approval', seen }]
}

const ofToken = ({ id, atMs }: { id: string; atMs: number }): Finding => ({
  id: 'token-still-valid',
  seen: `the API server accepted the bootstrap token ${id} after the join, at ${timestamp(atMs)}`,
})
