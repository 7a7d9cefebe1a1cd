/** Verifies the bootstrap signer's detached JWS (RFC 7515 appendix F) over cluster-info; stricter than the RFC allows. */
import type { BootstrapToken } from '../lib/bootstrap-token.ts'
import { BootstrapError } from '../lib/errors.ts'

/** base64url, unpadded, of exactly `{"alg":"HS256","kid":"<id>"}`, as Kubernetes' signer writes it: no other header is read. */
const protectedHeader = (tokenId: string): string =>
  Buffer.from(JSON.stringify({ alg: 'HS256', kid: tokenId })).toString('base64url')

/** An HMAC-SHA256 is 32 bytes: 43 characters, the last of which carries 4 bits. */
const MAC = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

/**
 * Resolves when `jws` is the token's signature over exactly `content`.
 * Throws `signature-malformed` for another form, algorithm, kid or an attached payload, `signature-mismatch` for a MAC
 * that is not this token's over this content.
 */
export async function verifyDetachedJws(jws: string, content: string, token: BootstrapToken): Promise<void> {
  const [header, payload, mac, ...more] = jws.split('.')
  if (header === undefined || payload !== '' || mac === undefined || more.length > 0 || !MAC.test(mac))
    throw new BootstrapError('signature-malformed', `the signature for token id ${token.id} is no detached compact JWS`)
  if (header !== protectedHeader(token.id))
    throw new BootstrapError(
      'signature-malformed',
      `the signature for token id ${token.id} has another header than alg HS256 and this kid`,
    )
  const { flattenedVerify } = await import('jose/jws/flattened/verify')
  const encoded = Buffer.from(content, 'utf8').toString('base64url')
  try {
    await flattenedVerify(
      { protected: header, payload: encoded, signature: mac },
      Buffer.from(token.secret.reveal(), 'ascii'),
      {
        algorithms: ['HS256'],
      },
    )
  } catch {
    throw new BootstrapError(
      'signature-mismatch',
      `cluster-info is signed for token id ${token.id}, but not with this token's secret`,
    )
  }
}
