/** What a call throws, as a value to assert on. */
import assert from 'node:assert/strict'
import { BootstrapError } from '../../src/lib/errors.ts'

/** The BootstrapError that `effect` rejects with; anything else fails the test. */
export async function bootstrapErrorOf(effect: Promise<unknown>): Promise<BootstrapError> {
  const thrown: unknown = await effect.then(
    () => assert.fail('it did not throw'),
    (error: unknown) => error,
  )
  assert(thrown instanceof BootstrapError, `not a BootstrapError: ${String(thrown)}`)
  return thrown
}
