import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import { verifyDetachedJws } from '../../../src/discovery/detached-jws.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { Secret } from '../../../src/lib/secret.ts'
import { clusterInfoSignature } from '../../harness/cluster-info-signature.ts'
import { bootstrapErrorOf } from '../../harness/thrown.ts'

const token = { id: 'abcdef', secret: new Secret('0123456789abcdef') }
const content = 'apiVersion: v1\nkind: Config\n'
const base64url = (text: string): string => Buffer.from(text).toString('base64url')
/** A true HMAC by `algorithm` under whatever header. */
function signed(header: string, algorithm = 'sha256', secret = token.secret.reveal(), payload = content): string {
  const mac = createHmac(algorithm, secret)
    .update(`${base64url(header)}.${base64url(payload)}`)
    .digest('base64url')
  return `${base64url(header)}..${mac}`
}
const good = clusterInfoSignature(content, token.id, token.secret.reveal())
const [header = '', , mac = ''] = good.split('.')
/** The same 32 bytes in another spelling: the two lowest bits of the last character do not count. */
const sameBytes = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.charAt(
  'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.indexOf(mac.slice(-1)) + 1,
)

describe('the detached JWS over cluster-info', () => {
  it('is that of Kubernetes’ own test vector', async () => {
    // kubernetes/kubernetes, cluster-bootstrap/token/jws: TestSignContent.
    await verifyDetachedJws(
      'eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8',
      'Hello from the other side. I must have called a thousand times.',
      { id: 'joshua', secret: new Secret('my voice is my passcode') },
    )
  })

  it('is accepted with the token’s secret over exactly this content', async () => {
    await verifyDetachedJws(good, content, token)
  })

  it('is over the UTF-8 bytes, whatever they are', async () => {
    const text = 'grüße \u{1f980}\r\n\0'
    await verifyDetachedJws(clusterInfoSignature(text, token.id, token.secret.reveal()), text, token)
  })

  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const rs256 = base64url('{"alg":"RS256","kid":"abcdef"}')
  const malformed: readonly [name: string, jws: string][] = [
    ['alg none without a signature', `${base64url('{"alg":"none","kid":"abcdef"}')}..`],
    ['alg none with the right MAC', signed('{"alg":"none","kid":"abcdef"}')],
    ['HS512', signed('{"alg":"HS512","kid":"abcdef"}', 'sha512')],
    ['HS384 cut to the length of HS256', signed('{"alg":"HS384","kid":"abcdef"}', 'sha384').slice(0, -21)],
    [
      'RS256 with a key of its own',
      `${rs256}..${sign('sha256', Buffer.from(`${rs256}.${base64url(content)}`), key).toString('base64url')}`,
    ],
    ['another kid', signed('{"alg":"HS256","kid":"abcdeg"}')],
    ['no kid', signed('{"alg":"HS256"}')],
    ['its header in another order', signed('{"kid":"abcdef","alg":"HS256"}')],
    ['white space in its header', signed('{"alg":"HS256", "kid":"abcdef"}')],
    ['another header beside', signed('{"alg":"HS256","kid":"abcdef","b64":false,"crit":["b64"]}')],
    ['a key in its header', signed('{"alg":"HS256","kid":"abcdef","jwk":{"kty":"oct","k":"AA"}}')],
    ['alg twice', signed('{"alg":"none","alg":"HS256","kid":"abcdef"}')],
    ['its payload attached', good.replace('..', `.${base64url(content)}.`)],
    ['another payload attached', good.replace('..', `.${base64url('other')}.`)],
    ['padding', `${good}=`],
    ['padding of its header', good.replace('..', '=..')],
    ['bits beyond the end in its last character', `${header}..${mac.slice(0, -1)}${sameBytes}`],
    ['an extra dot at the end', `${good}.`],
    ['an extra dot in the middle', good.replace('..', '...')],
    ['one dot only', good.replace('..', '.')],
    ['no dot', header],
    ['no MAC', `${header}..`],
    ['half a MAC', `${header}..${mac.slice(0, 21)}`],
    ['a character too many', `${good}A`],
    ['plain base64', `${header}..${'+/'.repeat(21)}A`],
    ['a line break after it', `${good}\n`],
    ['a space before it', ` ${good}`],
    ['nothing at all', ''],
    ['a JSON serialization', JSON.stringify({ protected: header, payload: '', signature: mac })],
  ]
  for (const [name, jws] of malformed)
    it(`is refused as malformed with ${name}`, async () => {
      assert.notEqual(jws, good)
      assert.equal((await bootstrapErrorOf(verifyDetachedJws(jws, content, token))).code, 'signature-malformed')
    })

  const mismatched: readonly [name: string, jws: string, text: string][] = [
    ['another secret', clusterInfoSignature(content, token.id, '0123456789abcdeg'), content],
    ['an empty secret', clusterInfoSignature(content, token.id, ''), content],
    ['the whole token as the secret', clusterInfoSignature(content, token.id, 'abcdef.0123456789abcdef'), content],
    ['a content that has a byte more', good, `${content}\n`],
    ['a content that has a byte less', good, content.slice(0, -1)],
    ['no content', good, ''],
    ['a MAC of zeros', `${header}..${'A'.repeat(43)}`, content],
  ]
  for (const [name, jws, text] of mismatched)
    it(`does not match with ${name}`, async () => {
      assert.equal((await bootstrapErrorOf(verifyDetachedJws(jws, text, token))).code, 'signature-mismatch')
    })

  it('does not match with any single bit of the MAC changed', async () => {
    const bytes = Buffer.from(mac, 'base64url')
    for (let bit = 0; bit < 256; bit += 1) {
      const changed = Buffer.from(bytes)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const jws = `${header}..${changed.toString('base64url')}`
      assert.equal((await bootstrapErrorOf(verifyDetachedJws(jws, content, token))).code, 'signature-mismatch')
    }
  })

  it('throws nothing but BootstrapError, and never the secret, whatever the text', async () => {
    const piece = fc.oneof(fc.constantFrom(header, mac, '.', '..', '=', 'A'), fc.string({ maxLength: 5 }))
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 5 }), fc.string(), async (pieces, text) => {
        try {
          await verifyDetachedJws(pieces.join(''), text, token)
          assert.fail('it cannot verify')
        } catch (thrown) {
          assert(thrown instanceof BootstrapError && thrown.code.startsWith('signature-'))
          assert.doesNotMatch(thrown.message, /0123456789abcdef/)
        }
      }),
    )
  })
})
