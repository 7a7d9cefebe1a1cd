/** Asks several endpoints for one answer: in turn, the first that verifies wins, and a failure says what each of them did. */
import { formatEndpoint, type Endpoint } from '../config/endpoint.ts'
import { asBootstrapError, BootstrapError, EXIT } from '../lib/errors.ts'

export const endpointUrl = (endpoint: Endpoint): URL => new URL(`https://${formatEndpoint(endpoint)}`)

/** A failed check tells more than a refusal, and a refusal more than silence. */
const weight = (error: BootstrapError): number =>
  [EXIT.protocol, EXIT.config, EXIT.refused].findIndex((status) => status === error.exitStatus) + 1 ||
  Number.MAX_SAFE_INTEGER

/** The most hopeful first. */
const hopes = [true, 'until-deadline'] as const

/** One error for all: the code of the weightiest, retried as long as any of them may still come good. */
function combined(failures: readonly BootstrapError[]): BootstrapError {
  const [weightiest] = failures.toSorted((one, other) => weight(one) - weight(other))
  if (weightiest === undefined) return new BootstrapError('internal', 'there is no endpoint to ask')
  if (failures.length === 1) return weightiest
  const delays = failures.flatMap((failure) => failure.retryAfterMs ?? [])
  return new BootstrapError(weightiest.code, failures.map((failure) => failure.message).join('; '), {
    hint: weightiest.hint,
    retryable: hopes.find((hope) => failures.some((failure) => failure.retryable === hope)) ?? false,
    cause: weightiest,
    ...(delays.length === failures.length ? { retryAfterMs: Math.min(...delays) } : {}),
  })
}

/** The first answer that `verify` accepts; otherwise throws the combined failure. An abort of the caller ends it at once. */
export async function firstThatVerifies<Answer>(
  endpoints: readonly Endpoint[],
  verify: (endpoint: URL) => Promise<Answer>,
): Promise<Answer> {
  const failures: BootstrapError[] = []
  for (const endpoint of endpoints) {
    try {
      return await verify(endpointUrl(endpoint))
    } catch (thrown) {
      failures.push(asBootstrapError(thrown))
    }
  }
  throw combined(failures)
}
