/** When a renewal that waits for others is no longer well: the one rule, for both kinds of certificate. Pure. */
import { BootstrapError } from '../lib/errors.ts'
import { timestamp } from '../lib/timestamp.ts'
import { approvalCommand, denialCommand } from './actions/request.ts'
import type { CertificateKind } from './certificate-kind.ts'
import { isToBeDenied } from './certificate-status.ts'
import { standingOf } from './decide.ts'
import type { SeenCertificate } from './observed.ts'
import { refusalError } from './refusal.ts'

/**
 * It is due, and its request still waits when its time is over, or the one before was refused and no certificate has come
 * since. A request that is looked up again waits as it did before.
 */
function isRenewalLate({ identity, pending, request, lastRefusal }: SeenCertificate, nowMs: number): boolean {
  if (identity.kind !== 'ours' || standingOf(identity, nowMs) !== 'due') return false
  const { kind } = request?.outcome ?? { kind: 'pending' }
  const isOpen = pending !== undefined && (kind === 'pending' || kind === 'approved')
  return lastRefusal !== undefined || (isOpen && nowMs >= identity.overdueAtMs)
}

/** Undefined where it is not late. */
export function lateRenewal(seen: SeenCertificate, kind: CertificateKind, nowMs: number): BootstrapError | undefined {
  const { identity, refusal, lastRefusal } = seen
  if (identity.kind !== 'ours' || !isRenewalLate(seen, nowMs)) return undefined
  if (refusal !== undefined) return refusalError(refusal)
  const before = lastRefusal === undefined ? '' : `, after one was refused (${refusalError(lastRefusal).message})`
  const { what, hint } = standOf(seen, kind)
  const end = timestamp(identity.pair.certificate.notAfterMs)
  const code = kind.name === 'client' ? 'renewal-not-approved' : 'serving-not-approved'
  return new BootstrapError(code, `${what}${before}; the ${kind.title} ends at ${end}`, { hint })
}

const ANOTHER = {
  what: 'another renewal is under way',
  hint: 'ask who refuses the requests of this node',
}

function standOf(seen: SeenCertificate, kind: CertificateKind): { what: string; hint: string } {
  const { request, pending, lastRefusal } = seen
  switch (request?.outcome.kind) {
    case 'pending':
      return {
        what: `the renewal ${request.name} has waited for approval since ${timestamp(request.createdAtMs)}`,
        hint: isToBeDenied(seen)
          ? `deny it, and another is filed: ${denialCommand(request.name)}`
          : approvalHint(kind, request.name),
      }
    case 'approved':
      return {
        what: `the renewal ${request.name} is approved, but not signed yet`,
        hint: 'look at the signer on the control plane: the kube-controller-manager, with its --cluster-signing-cert-file',
      }
    case undefined:
      return lastRefusal === undefined && pending !== undefined
        ? { what: `the renewal ${pending.name} is looked up again`, hint: 'status says soon what it waits for' }
        : ANOTHER
    default:
      return ANOTHER
  }
}

const approvalHint = ({ name: kind }: CertificateKind, name: string): string =>
  kind === 'client'
    ? `compare the key, then: ${approvalCommand(name)}; the ClusterRoleBinding kubeadm:node-autoapprove-certificate-rotation has the cluster do so by itself`
    : `compare the key and the names, then: ${approvalCommand(name)}`
