/** A recorded refusal as the error that it is: for the log, the status and the exit status alike. */
import { BootstrapError, type ErrorCode } from '../lib/errors.ts'
import type { Refusal } from '../store/pending-request.ts'

const codes: Readonly<Record<Refusal['kind'], ErrorCode>> = {
  denied: 'csr-denied',
  failed: 'csr-failed',
  unusable: 'certificate-wrong',
}

export function refusalError(refusal: Refusal): BootstrapError {
  const { kind, name, reason, message } = refusal
  return kind === 'unusable'
    ? new BootstrapError(codes[kind], message)
    : new BootstrapError(
        codes[kind],
        `${name} was ${kind === 'denied' ? 'denied' : 'failed by its signer'}: ${reason}: ${message}`,
      )
}
