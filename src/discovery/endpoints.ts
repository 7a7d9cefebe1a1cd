/**
 * Asks several endpoints for one answer, in the manner of Happy Eyeballs (RFC 8305): one after the other with a head
 * start, the first that verifies wins, and a failure says what each of them did. It asks none of them twice.
 */
import { formatEndpoint, type Endpoint } from '../config/endpoint.ts'
import { EXIT } from '../lib/error-codes.ts'
import { asBootstrapError, BootstrapError } from '../lib/errors.ts'
import type { Clock } from '../lib/ports.ts'

export const endpointUrl = (endpoint: Endpoint): URL => new URL(`https://${formatEndpoint(endpoint)}`)

/** A failed check tells more than a refusal, and a refusal more than silence. */
const weight = (error: BootstrapError): number =>
  [EXIT.protocol, EXIT.config, EXIT.refused].findIndex((status) => status === error.exitStatus) + 1 ||
  Number.MAX_SAFE_INTEGER

/** The most hopeful first. */
const hopes = [true, 'until-deadline'] as const

/** Whoever was led elsewhere by an endpoint reads by which. */
function attributed(message: string, endpoint: Endpoint | undefined): string {
  const name = endpoint === undefined ? '' : endpointUrl(endpoint).host
  return message.includes(name) ? message : `by way of ${name}: ${message}`
}

/** One error for all, in the order of `endpoints`: the code of the weightiest, retried as long as any may still come good. */
function combined(endpoints: readonly Endpoint[], failures: readonly BootstrapError[]): BootstrapError {
  const [weightiest] = failures.toSorted((one, other) => weight(one) - weight(other))
  if (weightiest === undefined) return new BootstrapError('internal', 'there is no endpoint to ask')
  if (failures.length === 1) return weightiest
  const messages = failures.map(({ message }, index) => attributed(message, endpoints[index]))
  const delays = failures.flatMap((failure) => failure.retryAfterMs ?? [])
  return new BootstrapError(weightiest.code, messages.join('; '), {
    hint: weightiest.hint,
    retryable: hopes.find((hope) => failures.some((failure) => failure.retryable === hope)) ?? false,
    cause: weightiest,
    ...(delays.length === failures.length ? { retryAfterMs: Math.min(...delays) } : {}),
  })
}

/**
 * How long an endpoint is asked alone before the next one is asked beside it: RFC 8305 §5's recommendation. An API server
 * that is there has mostly answered by then; where one is slower, the others are asked for two small documents too many.
 */
export const HEAD_START_MS = 250

/**
 * The first answer that `verify` accepts. Each endpoint is asked when its predecessor has failed or has had its head
 * start; with the first answer, or an abort of the caller, all others are broken off. Throws the combined failure.
 */
export async function firstThatVerifies<Answer>(
  endpoints: readonly Endpoint[],
  verify: (endpoint: URL, signal: AbortSignal) => Promise<Answer>,
  clock: Clock,
  signal: AbortSignal,
): Promise<Answer> {
  const race = new AbortController()
  const running = AbortSignal.any([signal, race.signal])
  let turn = Promise.resolve()
  const attempts = endpoints.map((endpoint, index) => {
    const attempt = turn.then(() => {
      running.throwIfAborted()
      return verify(endpointUrl(endpoint), running)
    })
    if (index < endpoints.length - 1) turn = Promise.race([failureOf(attempt), headStart(turn, clock, running)])
    return attempt
  })
  try {
    return await Promise.any(attempts)
  } catch (thrown) {
    throw combined(endpoints, thrown instanceof AggregateError ? thrown.errors.map(asBootstrapError) : [])
  } finally {
    race.abort()
  }
}

const failureOf = (attempt: Promise<unknown>): Promise<void> =>
  new Promise((resolve) => {
    attempt.catch(() => {
      resolve()
    })
  })

async function headStart(turn: Promise<void>, clock: Clock, signal: AbortSignal): Promise<void> {
  await turn
  if (!signal.aborted) await clock.sleep(HEAD_START_MS, signal)
}
