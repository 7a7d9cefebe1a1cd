/**
 * For how long a request that is not in the cluster may still be on its way there, over restarts (docs/adr/0009). It is counted
 * by the monotonic clock alone, which nobody sets, from when it was last sent at the latest.
 */
import type { Clock } from '../lib/ports.ts'
import type { PendingRequest } from '../store/pending-request.ts'
import type { CertificateMemory } from './observed.ts'

/**
 * For so long a request that was sent may still be created: an API server gives one up after a minute
 * (kube-apiserver --request-timeout), and etcd what it was handed by then after some seconds more.
 */
export const LONGEST_ARRIVAL_MS = 2 * 60_000

/**
 * From when on nobody has sent it, by the monotonic clock: what the file says, which holds within one boot of the machine, or
 * what this process knows.
 */
export function unsentSinceMs(pending: PendingRequest, memory: CertificateMemory, clock: Clock): number {
  const { unsentSince } = pending
  if (unsentSince === undefined || unsentSince.bootId !== clock.bootId()) return memory.unsentSinceMs
  // One from the future is of a clock with another beginning.
  return unsentSince.monotonicMs > clock.monotonicMs() ? memory.unsentSinceMs : unsentSince.monotonicMs
}
