/**
 * Discovery by bootstrap token: cluster-info is read unverified, proven by the token's signature, its CA narrowed by
 * pins or caFile, and then read once more over TLS that only those certificates can vouch for. Nothing secret is sent.
 */
import type { Endpoint } from '../config/index.ts'
import type { ApiClient } from '../kube/api-request.ts'
import type { KubeconfigCluster } from '../kube/kubeconfig.ts'
import type { BootstrapToken } from '../lib/bootstrap-token.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Clock } from '../lib/ports.ts'
import { certificateToPem, publicKeyPin, type Certificate } from '../pki/certificate.ts'
import { parseCertificateAuthorityData, pinnedAuthorities, requireKnownAuthorities } from './authorities.ts'
import { fetchClusterInfo, type ClusterInfo } from './cluster-info.ts'
import { verifyDetachedJws } from './detached-jws.ts'
import type { Discovered, Evidence } from './discovered.ts'
import { firstThatVerifies } from './endpoints.ts'
import { readKubeconfig } from './kubeconfig-material.ts'

export interface TokenDiscoveryInput {
  endpoints: readonly Endpoint[]
  token: BootstrapToken
  /** Lower-case hex digests. */
  caCertHashes: readonly string[]
  /** The CA bundle that came out of band. */
  knownAuthorities: readonly Certificate[] | undefined
}

/** Throws one BootstrapError that names what each endpoint answered. */
export function discoverByToken(
  client: ApiClient,
  input: TokenDiscoveryInput,
  clock: Clock,
  signal: AbortSignal,
): Promise<Discovered> {
  const attempt: Attempt = { client, input, confirmations: new Map() }
  return firstThatVerifies(
    input.endpoints,
    (endpoint, running) => verifyEndpoint(attempt, endpoint, running),
    clock,
    signal,
  )
}

/** What the endpoints that are asked beside one another share. */
interface Attempt {
  client: ApiClient
  input: TokenDiscoveryInput
  /** The verified answers that are under way, by server and anchors: endpoints may all lead to one server. */
  confirmations: Map<string, Promise<ClusterInfo>>
}

async function verifyEndpoint(attempt: Attempt, endpoint: URL, signal: AbortSignal): Promise<Discovered> {
  const { client, input } = attempt
  const { token, knownAuthorities } = input
  const trust = knownAuthorities === undefined ? 'unverified' : { roots: knownAuthorities.map(certificateToPem) }
  const clusterInfo = await fetchClusterInfo(client, endpoint, trust, token.id, signal)
  await verifySignature(clusterInfo, token, endpoint)

  const source = {
    label: `in cluster-info of ${endpoint.host}`,
    origin: 'remote',
    text: clusterInfo.kubeconfig,
  } as const
  const { cluster: entry } = readKubeconfig(source, 'cluster-info-malformed')
  const presented = presentedAuthorities(entry, input, endpoint)
  const anchors = input.caCertHashes.length > 0 ? pinnedAuthorities(presented, input.caCertHashes) : presented

  await confirm(attempt, entry.server, anchors, clusterInfo, signal)
  return {
    cluster: { server: entry.server, authorities: presented },
    evidence: evidenceOf(input, endpoint, entry.server, anchors),
  }
}

/** A missing signature and a wrong one may both be a signer that lags behind: the caller retries until its deadline. */
async function verifySignature(clusterInfo: ClusterInfo, token: BootstrapToken, endpoint: URL): Promise<void> {
  if (clusterInfo.signature === undefined)
    throw new BootstrapError(
      'token-unknown',
      `cluster-info of ${endpoint.host} carries no signature for token id ${token.id}`,
    )
  await verifyDetachedJws(clusterInfo.signature, clusterInfo.kubeconfig, token)
}

function presentedAuthorities(
  entry: KubeconfigCluster,
  input: TokenDiscoveryInput,
  endpoint: URL,
): readonly Certificate[] {
  const { knownAuthorities } = input
  // A remote kubeconfig's CA is embedded, or it is not there.
  if (entry.certificateAuthority?.kind !== 'embedded') {
    if (knownAuthorities !== undefined) return knownAuthorities
    throw new BootstrapError('ca-missing', `cluster-info of ${endpoint.host} carries no CA`)
  }
  const presented = parseCertificateAuthorityData(entry.certificateAuthority.data, `cluster-info of ${endpoint.host}`)
  if (knownAuthorities !== undefined) requireKnownAuthorities(presented, knownAuthorities)
  return presented
}

/**
 * Asks the server that cluster-info names, over a connection that only the anchors can vouch for, and expects the same
 * bytes. Who holds the token and sits in between cannot pass: they may sign another bundle, but not answer from here.
 */
async function confirm(
  attempt: Attempt,
  server: URL,
  anchors: readonly Certificate[],
  first: ClusterInfo,
  signal: AbortSignal,
): Promise<void> {
  const second = await confirmation(attempt, server, anchors.map(certificateToPem), signal)
  if (second.kubeconfig !== first.kubeconfig)
    throw new BootstrapError(
      'cluster-info-differs',
      `${server.host} serves another cluster-info over the verified connection`,
    )
}

/** One request at a time for each server and anchors; all of an attempt's signals abort together. */
function confirmation(
  { client, input, confirmations }: Attempt,
  server: URL,
  roots: readonly string[],
  signal: AbortSignal,
): Promise<ClusterInfo> {
  const key = JSON.stringify([server.href, roots])
  const underWay = confirmations.get(key)
  if (underWay !== undefined) return underWay
  const asked = fetchClusterInfo(client, server, { roots }, input.token.id, signal).finally(() => {
    confirmations.delete(key)
  })
  confirmations.set(key, asked)
  return asked
}

function evidenceOf(input: TokenDiscoveryInput, endpoint: URL, server: URL, anchors: readonly Certificate[]): Evidence {
  const hashes = anchors.map((anchor) => `sha256:${publicKeyPin(anchor)}`).join(', ')
  const pinned = input.caCertHashes.length > 0
  const outOfBand = input.knownAuthorities !== undefined
  return {
    method: 'token',
    source: endpoint.host,
    tokenId: input.token.id,
    verified: [
      `cluster-info is signed with the secret of token ${input.token.id}`,
      ...(outOfBand ? ['its CA is in caFile'] : []),
      ...(pinned ? [`its CA has a pinned public key (${hashes})`] : []),
      `${server.host} proved to hold a certificate of that CA, and serves the same cluster-info`,
    ],
  }
}
