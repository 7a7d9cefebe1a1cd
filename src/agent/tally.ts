/** How often each action was tried since the process began, and how that ended: for metrics alone, nothing is decided by it. */
import type { ErrorCode } from '../lib/error-codes.ts'
import type { CertificateKind } from './certificate-kind.ts'
import type { Action } from './decide.ts'

export interface Attempts {
  /** Of the certificate that it was for. */
  kind: CertificateKind['name']
  action: Action['kind']
  outcome: 'succeeded' | ErrorCode
  count: number
}

export class Tally {
  readonly #counts = new Map<string, Attempts>()

  add({ kind, action, outcome }: Omit<Attempts, 'count'>): void {
    const key = `${kind} ${action} ${outcome}`
    this.#counts.set(key, { kind, action, outcome, count: (this.#counts.get(key)?.count ?? 0) + 1 })
  }

  /** In the order in which they first came. */
  get attempts(): readonly Attempts[] {
    return [...this.#counts.values()]
  }
}
