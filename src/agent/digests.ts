/** Digests of the configuration, so that what was found out under one is not taken for true under another. No secret goes in. */
import type { JoinConfiguration, TokenSource } from '../config/index.ts'
import type { Certificate } from '../pki/certificate.ts'
import { sha256Hex } from '../pki/private-key.ts'

export const digest = (value: unknown): string => `sha256:${sha256Hex(Buffer.from(JSON.stringify(value)))}`

/** A token is told by its public id: a new one is another credential for what may be another cluster. */
const tokenSource = (source: TokenSource | undefined): unknown =>
  source?.kind === 'inline' ? { kind: 'inline', id: source.token.id } : source

function withoutSecrets({ discovery }: JoinConfiguration): unknown {
  return discovery.kind === 'token'
    ? { ...discovery, token: tokenSource(discovery.token), timeoutMs: undefined }
    : { ...discovery, timeoutMs: undefined }
}

/** Of a CA bundle, whatever the order of its certificates. */
export const authoritiesDigest = (authorities: readonly Certificate[]): string =>
  digest(authorities.map(({ fingerprint }) => fingerprint).sort())

/** Of what decides which cluster is trusted, and why. */
export const discoveryDigest = (configuration: JoinConfiguration): string => digest(withoutSecrets(configuration))

/** Of everything that a request for a certificate depends on. */
export const configurationDigest = (configuration: JoinConfiguration): string =>
  digest([
    configuration.node,
    withoutSecrets(configuration),
    tokenSource(configuration.bootstrap.token),
    configuration.certificate.keyAlgorithm,
    configuration.certificate.durationMs,
  ])
