/** Runs the openssl command: the second opinion that the dev cluster's own DER and PKCS#10 code is held against. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The output of openssl with `files` written beside it under their names; throws with its stderr. */
export function openssl(args: readonly string[], files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const directory = mkdtempSync(join(tmpdir(), 'dev-cluster-'))
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content)
    return execFileSync('openssl', args, { cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const keyArguments = {
  ec: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  rsa: ['-newkey', 'rsa:2048'],
  ed25519: ['-newkey', 'ed25519'],
} as const

export interface CsrOptions {
  subject?: string
  subjectAltName?: string
  key?: keyof typeof keyArguments
  digest?: string
}

/** A PKCS#10 request with a new key, PEM. */
export function opensslCsr(options: CsrOptions = {}): string {
  const { subject = '/O=system:nodes/CN=system:node:worker-1', subjectAltName, key = 'ec', digest } = options
  return openssl([
    ...['req', '-new', ...keyArguments[key], '-nodes', '-keyout', 'key.pem', '-subj', subject],
    ...(subjectAltName === undefined ? [] : ['-addext', `subjectAltName=${subjectAltName}`]),
    ...(digest === undefined ? [] : [`-${digest}`]),
  ])
}
