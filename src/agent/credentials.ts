/** Reads the secrets and bundles that join.yaml names by path, at the moment they are needed. */
import { join } from 'node:path'
import type { JoinConfiguration, TokenSource } from '../config/index.ts'
import { bootstrapTokenFault, parseBootstrapToken, type BootstrapToken } from '../lib/bootstrap-token.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Files } from '../lib/ports.ts'
import { readText } from '../lib/text-file.ts'
import { CertificateError, parseCertificates, type Certificate } from '../pki/certificate.ts'

/** `credentialsDirectory` is systemd's $CREDENTIALS_DIRECTORY, where the unit loads any. */
export async function readToken(
  files: Files,
  source: TokenSource,
  credentialsDirectory: string | undefined,
): Promise<BootstrapToken> {
  if (source.kind === 'inline') return source.token
  if (source.kind === 'credential' && credentialsDirectory === undefined)
    throw new BootstrapError('credential-unreadable', `the credential ${source.name} is not there`, {
      hint: `give it to the unit: LoadCredential=${source.name}:PATH`,
    })
  const path = source.kind === 'file' ? source.path : join(credentialsDirectory ?? '', source.name)
  const text = await readCredential(files, path)
  const token = parseBootstrapToken(text.trim())
  if (token === undefined)
    throw new BootstrapError('token-malformed', `${path} holds no token: it ${bootstrapTokenFault(text.trim())}`)
  return token
}

async function readCredential(files: Files, path: string): Promise<string> {
  const text = await readText(files, path)
  if (text === undefined) throw new BootstrapError('credential-unreadable', `${path} is not there`)
  return text
}

/** The bootstrap token that join.yaml gives for the certificate request; undefined where something else authenticates it. */
export async function readBootstrapToken(
  files: Files,
  { bootstrap, discovery }: JoinConfiguration,
  credentialsDirectory: string | undefined,
): Promise<BootstrapToken | undefined> {
  const source = bootstrap.token ?? (discovery.kind === 'token' ? discovery.token : undefined)
  return source === undefined ? undefined : await readToken(files, source, credentialsDirectory)
}

export async function readAuthorities(files: Files, path: string): Promise<readonly Certificate[]> {
  const text = await readCredential(files, path)
  try {
    return parseCertificates(text)
  } catch (cause) {
    if (!(cause instanceof CertificateError)) throw cause
    throw new BootstrapError('ca-file-malformed', `${path} cannot be used: ${cause.message}`, { cause })
  }
}
