/**
 * What discovery by file and by HTTPS have in common: a kubeconfig becomes a cluster when its CA is the one that came out
 * of band, where there is one, and its server has proven itself by that CA. No credential is sent for it.
 */
import type { ApiClient } from '../kube/api-request.ts'
import type { Cluster } from '../kube/cluster.ts'
import type { ErrorCode } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Files } from '../lib/ports.ts'
import { certificateToPem, type Certificate } from '../pki/certificate.ts'
import { requireKnownAuthorities } from './authorities.ts'
import { certificateAuthorityOf, readKubeconfig, type KubeconfigSource } from './kubeconfig-material.ts'

export interface KnownAuthorities {
  /** Whatever the kubeconfig says must be among them. */
  required: readonly Certificate[] | undefined
  /** Taken where the kubeconfig says nothing. */
  fallback: readonly Certificate[] | undefined
}

/** Throws `kubeconfig-malformed`, `ca-*`, and what stands between this machine and a server of that CA. */
export async function verifyKubeconfig(
  files: Files,
  client: ApiClient,
  source: KubeconfigSource,
  known: KnownAuthorities,
  signal: AbortSignal,
): Promise<Cluster> {
  const { cluster } = readKubeconfig(source)
  const presented = await certificateAuthorityOf(files, source, cluster.certificateAuthority)
  if (presented !== undefined && known.required !== undefined) requireKnownAuthorities(presented, known.required)
  const authorities = presented ?? known.required ?? known.fallback
  if (authorities === undefined) throw new BootstrapError('ca-missing', `the kubeconfig ${source.label} carries no CA`)
  await proveServer(client, cluster.server, authorities, signal)
  return { server: cluster.server, authorities }
}

/** Refusals that only an API server gives, over a connection that its CA has vouched for: it is the one. */
const PROVEN: readonly ErrorCode[] = ['unauthorized', 'forbidden', 'not-found']

/** Throws where nothing of `authorities` vouches for the server, and what else stands between. */
export async function proveServer(
  client: ApiClient,
  server: URL,
  authorities: readonly Certificate[],
  signal: AbortSignal,
): Promise<void> {
  const trust = { roots: authorities.map(certificateToPem) }
  try {
    await client.request(
      { server, trust, credential: { kind: 'anonymous' } },
      { method: 'GET', path: '/version', signal },
    )
  } catch (thrown) {
    if (!(thrown instanceof BootstrapError) || !PROVEN.includes(thrown.code)) throw thrown
  }
}
