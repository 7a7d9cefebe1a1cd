/** The one error class: every expected failure, with a code of the closed set. */
import { errorCodes, type ErrorCode, type ExitStatus, type Retryable } from './error-codes.ts'

export interface ErrorDetails {
  /** What the operator does next, where this case knows better than the code's own hint. */
  hint?: string
  retryable?: Retryable
  /** How long the other side asked to be left alone. */
  retryAfterMs?: number
  cause?: unknown
}

/** Every expected failure. `message` says what was seen; `code` is what programs branch on; neither ever holds a secret. */
export class BootstrapError extends Error {
  override readonly name = 'BootstrapError'
  readonly code: ErrorCode
  readonly hint: string
  readonly retryable: Retryable
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.hint = details.hint ?? errorCodes[code].hint
    this.retryable = details.retryable ?? errorCodes[code].retryable
    this.retryAfterMs = details.retryAfterMs
  }

  get exitStatus(): ExitStatus {
    return errorCodes[this.code].exit
  }
}

/** Anything thrown, as a BootstrapError: what is not one already is a defect and becomes `internal`, its cause kept. */
export function asBootstrapError(thrown: unknown): BootstrapError {
  if (thrown instanceof BootstrapError) return thrown
  return new BootstrapError(
    'internal',
    thrown instanceof Error ? thrown.message : 'something that is no Error was thrown',
    {
      cause: thrown,
    },
  )
}
