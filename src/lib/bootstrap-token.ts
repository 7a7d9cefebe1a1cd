/** The bootstrap token: its exact form, and what is wrong with a text that is none, said without showing the text. */
import { Secret } from './secret.ts'

export interface BootstrapToken {
  /** The public half: it names the Secret `bootstrap-token-<id>` and the user `system:bootstrap:<id>`. */
  id: string
  /** The half that authenticates: 16 characters. */
  secret: Secret
}

/** As a regular expression's source, for JSON Schema too. Kubernetes: `BootstrapTokenPattern` in cluster-bootstrap/token/api. */
export const BOOTSTRAP_TOKEN_PATTERN = '^([a-z0-9]{6})\\.([a-z0-9]{16})$'
const pattern = new RegExp(BOOTSTRAP_TOKEN_PATTERN)

/** The token in `text`, which must be nothing else, or undefined. */
export function parseBootstrapToken(text: string): BootstrapToken | undefined {
  const [, id, secret] = pattern.exec(text) ?? []
  return id === undefined || secret === undefined ? undefined : { id, secret: new Secret(secret) }
}

/** Why `text` is no token, as a predicate ("has upper-case letters") that gives away nothing of it but lengths. */
export function bootstrapTokenFault(text: string): string {
  if (text === '') return 'is empty'
  if (/^\s|\s$/.test(text)) return 'has white space or a line break around it'
  if (/\s/.test(text)) return 'has white space in it'
  const [id = '', secret, ...more] = text.split('.')
  if (secret === undefined) return 'has no dot'
  if (more.length > 0) return 'has more than one dot'
  if (/[A-Z]/.test(text)) return 'has upper-case letters'
  if (/[^a-z0-9.]/.test(text)) return 'has characters other than a-z and 0-9 beside its dot'
  if (id.length !== 6) return `has ${id.length} characters before the dot, not 6`
  return `has ${secret.length} characters after the dot, not 16`
}

/** The whole token, as a bearer credential carries it. */
export const bearerToken = (token: BootstrapToken): Secret => new Secret(`${token.id}.${token.secret.reveal()}`)
