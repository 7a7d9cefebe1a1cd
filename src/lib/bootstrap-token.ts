/** The bootstrap token's form: a public id and a secret. What makes one valid is the cluster's to say. */
import { Secret } from './secret.ts'

export interface BootstrapToken {
  id: string
  secret: Secret
}

const FORM = /^([a-z0-9]{6})\.([a-z0-9]{16})$/

/** Undefined for anything that is not exactly `[a-z0-9]{6}\.[a-z0-9]{16}` (kubernetes cluster-bootstrap/token/api). */
export function parseBootstrapToken(text: string): BootstrapToken | undefined {
  const match = FORM.exec(text)
  return match?.[1] === undefined || match[2] === undefined ? undefined : { id: match[1], secret: new Secret(match[2]) }
}

/** The whole token, as a bearer credential carries it. */
export const bearerToken = (token: BootstrapToken): Secret => new Secret(`${token.id}.${token.secret.reveal()}`)
