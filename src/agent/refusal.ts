/** A recorded refusal as the error that it is: for the log, the status and the exit status alike. */
import type { ErrorCode } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Refusal } from '../store/pending-request.ts'

const codes: Readonly<Record<Exclude<Refusal['kind'], 'unusable'>, ErrorCode>> = {
  denied: 'csr-denied',
  failed: 'csr-failed',
}

export function refusalError(refusal: Refusal): BootstrapError {
  const { kind, name, reason, message } = refusal
  // The reason of our own refusal is the code of what was found.
  if (kind === 'unusable')
    return new BootstrapError(reason === 'certificate-malformed' ? reason : 'certificate-wrong', message)
  return new BootstrapError(
    codes[kind],
    `${name} was ${kind === 'denied' ? 'denied' : 'failed by its signer'}: ${reason}: ${message}`,
  )
}
