/** Where secrets may stand on a node's disk, and the writings in which they would betray themselves elsewhere. */
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { basename, dirname } from 'node:path'

export interface Leaf {
  path: string
  mode: number
  content: Buffer
}

export interface Places {
  /** It holds the token. */
  joinYaml: string
  state: string
  certificates: string
}

export interface Secrets {
  /** Of the token `id.secret`. */
  token: string
  /** Private keys as PKCS #8 in DER, where they are known: they are then looked for byte by byte, and in base64. */
  keys?: readonly Buffer[]
}

const PRIVATE_KEY = 'PRIVATE KEY'
const TEMPORARY = '.node-bootstrap-new'
const OF_A_REQUEST = ['pending-request.pem', TEMPORARY]
const OF_A_PAIR = /^(kubelet-(client|server)-\d[\d.-]*\.pem|\.node-bootstrap-new)$/

/** A key under way, of either certificate, or a pair. */
function mayHoldKey(path: string, { state, certificates }: Places): boolean {
  const [directory, name] = [dirname(path), basename(path)]
  if (directory === certificates) return OF_A_PAIR.test(name)
  return [state, `${state}/serving`].includes(directory) && OF_A_REQUEST.includes(name)
}

const secretOf = ({ token }: Secrets): string => token.split('.')[1] ?? ''

/** What the content says, and what its base64 stands for: a kubeconfig holds keys so. */
function layersOf(content: Buffer): Buffer[] {
  const unwrapped = content.toString('latin1').replaceAll(/\\n|\s/g, '')
  const words = unwrapped.match(/[A-Za-z0-9+/]{40,}/g) ?? []
  return [content, ...words.map((word) => Buffer.from(word, 'base64'))]
}

/** The whole key, and its number alone, in bytes and in the usual writings. */
function writingsOf(der: Buffer): (Buffer | string)[] {
  const { d = '' } = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' })
  const number = Buffer.from(d, 'base64url')
  return [der, number, d, number.toString('hex')]
}

function hasKey(content: Buffer, keys: readonly Buffer[]): boolean {
  if (keys.length === 0) return content.includes(PRIVATE_KEY)
  const signs = [PRIVATE_KEY, ...keys.flatMap(writingsOf)]
  return layersOf(content).some((layer) => signs.some((sign) => layer.includes(sign)))
}

/** Keys stand in their two places, the token in join.yaml, and both can be read by their owner alone. */
export function checkFile({ path, mode, content }: Leaf, places: Places, secrets: Secrets): void {
  const holdsKey = hasKey(content, secrets.keys ?? [])
  const holdsToken = content.includes(secretOf(secrets))
  if (holdsKey || holdsToken) assert.equal(mode & 0o077, 0, `${path} holds a secret and has mode ${mode.toString(8)}`)
  if (holdsToken) assert.equal(path, places.joinYaml, 'the token is in another file')
  if (holdsKey) assert.ok(mayHoldKey(path, places), `${path} holds a private key`)
}

/** No line that was printed holds a secret. */
export function checkLines(lines: readonly string[], secrets: Secrets): void {
  for (const line of lines) {
    assert.ok(!line.includes(secretOf(secrets)), `the token is printed: ${line}`)
    assert.ok(!hasKey(Buffer.from(line), secrets.keys ?? []), `a private key is printed: ${line}`)
  }
}

/** Those in a file that may hold one, as PKCS #8 in DER. */
export function keysIn({ path, content }: Leaf, places: Places): Buffer[] {
  if (!mayHoldKey(path, places)) return []
  const blocks = content.toString('latin1').match(/-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/g) ?? []
  return blocks.map((pem) => createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' }))
}
