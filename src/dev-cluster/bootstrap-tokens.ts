/** Bootstrap tokens and the controllers around them: the authenticator, the cleaner of expired ones, the JWS of a signing one. */
import { createHmac, randomInt, timingSafeEqual } from 'node:crypto'

export interface BootstrapTokenOptions {
  /** Six of [a-z0-9]; random by default. */
  id?: string
  /** Sixteen of [a-z0-9]; random by default. */
  secret?: string
  /** Milliseconds since the epoch; never by default. */
  expiresAtMs?: number
  /** Signs cluster-info with it; true by default. */
  usageSigning?: boolean
  /** Authenticates with it; true by default. */
  usageAuthentication?: boolean
  /** Beyond system:bootstrappers; kubeadm's default node group by default. */
  authExtraGroups?: readonly string[]
}

export interface BootstrapToken extends Required<Omit<BootstrapTokenOptions, 'expiresAtMs'>> {
  expiresAtMs: number | undefined
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'
const randomText = (length: number): string =>
  Array.from({ length }, () => ALPHABET.charAt(randomInt(ALPHABET.length))).join('')

export class BootstrapTokens {
  readonly #tokens = new Map<string, BootstrapToken>()

  /** Throws a TypeError for an id or secret that Kubernetes would not take. */
  create(options: BootstrapTokenOptions): BootstrapToken {
    const token: BootstrapToken = {
      id: options.id ?? randomText(6),
      secret: options.secret ?? randomText(16),
      expiresAtMs: options.expiresAtMs,
      usageSigning: options.usageSigning ?? true,
      usageAuthentication: options.usageAuthentication ?? true,
      authExtraGroups: options.authExtraGroups ?? ['system:bootstrappers:kubeadm:default-node-token'],
    }
    if (!/^[a-z0-9]{6}$/.test(token.id) || !/^[a-z0-9]{16}$/.test(token.secret))
      throw new TypeError('a bootstrap token is [a-z0-9]{6} and [a-z0-9]{16}')
    this.#tokens.set(token.id, token)
    return token
  }

  delete(id: string): boolean {
    return this.#tokens.delete(id)
  }

  /** The token cleaner: removes what has expired and returns the ids. */
  removeExpired(nowMs: number): string[] {
    const expired = [...this.#tokens.values()].filter(
      ({ expiresAtMs }) => expiresAtMs !== undefined && expiresAtMs <= nowMs,
    )
    for (const { id } of expired) this.#tokens.delete(id)
    return expired.map(({ id }) => id)
  }

  signing(): BootstrapToken[] {
    return [...this.#tokens.values()].filter((token) => token.usageSigning)
  }

  /** The token that `credential` is, if it may authenticate. */
  authenticate(credential: string): BootstrapToken | undefined {
    const [, id = '', secret = ''] = /^([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(credential) ?? []
    const token = this.#tokens.get(id)
    if (token === undefined || !timingSafeEqual(Buffer.from(token.secret), Buffer.from(secret))) return undefined
    return token.usageAuthentication ? token : undefined
  }
}

/** The detached compact JWS (RFC 7515, HS256) over `content` that the bootstrap signer publishes. */
export function detachedJws(content: string, token: Pick<BootstrapToken, 'id' | 'secret'>): string {
  const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid: token.id })).toString('base64url')
  const payload = Buffer.from(content).toString('base64url')
  return `${header}..${createHmac('sha256', token.secret).update(`${header}.${payload}`).digest('base64url')}`
}
