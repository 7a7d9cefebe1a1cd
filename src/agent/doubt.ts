/** Which failures put the verified cluster in doubt, so that it is discovered again. Pure. */
import type { JoinConfiguration } from '../config/index.ts'
import type { BootstrapError } from '../lib/errors.ts'

/**
 * A server that the verified CA no longer vouches for may mean that the CA was replaced. Where more than a token decides
 * what is believed, the cluster is discovered again; otherwise that would be to believe whoever answers. A credential
 * that came with the kubeconfig of an https server and is refused may have been replaced there.
 */
export function raisesDoubt({ code }: BootstrapError, { discovery, bootstrap }: JoinConfiguration): boolean {
  const isAnchored = discovery.kind !== 'token' || discovery.caCertHashes.length > 0 || discovery.caFile !== undefined
  const isHandedOut = discovery.kind === 'https' && bootstrap.token === undefined
  return (isAnchored && code === 'server-untrusted') || (isHandedOut && code === 'unauthorized')
}
