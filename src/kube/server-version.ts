/** Which version an API server says it is, where a request has to differ by it. */
import type { ErrorCode } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import { textAt } from '../lib/json.ts'
import type { ApiClient, ApiServer } from './api-request.ts'

/** The first 1.x that takes a request without `key encipherment` (kubernetes/kubernetes#111660). */
const MINOR_WITHOUT_KEY_ENCIPHERMENT = 27

/** A load balancer may not pass /version on. */
const UNTOLD: readonly ErrorCode[] = ['forbidden', 'not-found', 'not-kubernetes', 'redirect-refused']

/**
 * Whether requests for keys other than RSA must still ask for `key encipherment`. A server that does not tell its
 * version to this credential, or tells none that can be read, is taken for a recent one.
 */
export async function wantsKeyEncipherment(client: ApiClient, api: ApiServer, signal: AbortSignal): Promise<boolean> {
  try {
    const version = await client.request(api, { method: 'GET', path: '/version', signal })
    // Some distributions append a plus sign to the minor version.
    const minor = /^\d+/.exec(textAt(version, 'minor') ?? '')
    return textAt(version, 'major') === '1' && minor !== null && Number(minor[0]) < MINOR_WITHOUT_KEY_ENCIPHERMENT
  } catch (thrown) {
    if (thrown instanceof BootstrapError && UNTOLD.includes(thrown.code)) return false
    throw thrown
  }
}
