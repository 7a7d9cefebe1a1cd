/** What a kubeconfig says or names by path, as bytes or text in hand: its CA, and the credential of its user. */
import { resolve } from 'node:path'
import type { Credential } from '../kube/api-request.ts'
import {
  KubeconfigError,
  parseKubeconfig,
  type Kubeconfig,
  type KubeconfigOrigin,
  type KubeconfigUser,
  type Material,
} from '../kube/kubeconfig.ts'
import type { ErrorCode } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Files } from '../lib/ports.ts'
import { Secret } from '../lib/secret.ts'
import { readText } from '../lib/text-file.ts'
import { CertificateError, parseCertificates, type Certificate } from '../pki/certificate.ts'
import { decodeBase64, PemError } from '../pki/pem.ts'
import { privateKeyFromPem } from '../pki/private-key.ts'
import { parseCertificateAuthorityData } from './authorities.ts'

/** A kubeconfig that was found, and what is needed to follow the paths in it. */
export interface KubeconfigSource {
  /** For people: a path, or a URL without its query. */
  label: string
  origin: KubeconfigOrigin
  /** What relative paths are relative to. */
  directory: string
  text: string
}

/** Throws `malformed` for what is no kubeconfig that can be used. */
export function readKubeconfig(
  { label, origin, text }: Omit<KubeconfigSource, 'directory'>,
  malformed: ErrorCode = 'kubeconfig-malformed',
): Kubeconfig {
  try {
    return parseKubeconfig(text, origin)
  } catch (cause) {
    if (!(cause instanceof KubeconfigError)) throw cause
    throw new BootstrapError(malformed, `the kubeconfig ${label} ${cause.message}`, { cause })
  }
}

/** The paths that a kubeconfig from `source` names, absolute: a change of one of these files is a change of the kubeconfig. */
export function filesNamedBy({ directory }: KubeconfigSource, { cluster, user }: Kubeconfig): string[] {
  const materials = [
    cluster.certificateAuthority,
    ...(user?.kind === 'token' ? [user.token] : []),
    ...(user?.kind === 'certificate' ? [user.certificate, user.key] : []),
  ]
  return materials.flatMap((material) => (material?.kind === 'file' ? [resolve(directory, material.path)] : []))
}

async function namedText(files: Files, source: KubeconfigSource, path: string, what: string): Promise<string> {
  const absolute = resolve(source.directory, path)
  const text = await readText(files, absolute)
  if (text === undefined)
    throw new BootstrapError(
      'credential-unreadable',
      `${absolute}, which ${source.label} names as ${what}, is not there`,
      {
        hint: `create it, or correct ${source.label}: relative paths count from that file's own directory`,
      },
    )
  return text
}

/** The cluster's CA in a kubeconfig; undefined where it says nothing. Throws `ca-malformed`, `credential-unreadable`, `storage-*`. */
export async function certificateAuthorityOf(
  files: Files,
  source: KubeconfigSource,
  material: Material<string> | undefined,
): Promise<readonly Certificate[] | undefined> {
  if (material === undefined) return undefined
  if (material.kind === 'embedded') return parseCertificateAuthorityData(material.data, source.label)
  const pem = await namedText(files, source, material.path, 'certificate-authority')
  return orMalformed('ca-malformed', `the CA that ${source.label} names`, () => parseCertificates(pem))
}

function orMalformed<Value>(code: ErrorCode, what: string, parse: () => Value): Value {
  try {
    return parse()
  } catch (cause) {
    if (!(cause instanceof CertificateError) && !(cause instanceof PemError)) throw cause
    throw new BootstrapError(code, `${what} cannot be used: ${cause.message}`, { cause })
  }
}

/** RFC 6750's b64token, and room for what else is sent as one: anything that cannot break out of a header. */
const BEARER_TOKEN = /^[!-~]{1,65536}$/

/** Throws `credential-malformed`, `credential-unreadable`, `storage-*`; no message holds anything of the credential. */
export async function credentialOf(files: Files, source: KubeconfigSource, user: KubeconfigUser): Promise<Credential> {
  if (user.kind === 'certificate') return await certificateCredential(files, source, user)
  const { token } = user
  const text =
    token.kind === 'embedded' ? token.data.reveal() : (await namedText(files, source, token.path, 'tokenFile')).trim()
  if (!BEARER_TOKEN.test(text))
    throw new BootstrapError(
      'credential-malformed',
      `the token of ${source.label} is empty, or has characters that no token has`,
    )
  return { kind: 'token', token: new Secret(text) }
}

async function certificateCredential(
  files: Files,
  source: KubeconfigSource,
  user: KubeconfigUser & { kind: 'certificate' },
): Promise<Credential> {
  const what = `the client certificate of ${source.label}`
  const pemOf = async (material: Material<string>, key: string): Promise<string> =>
    material.kind === 'file'
      ? await namedText(files, source, material.path, key)
      : orMalformed('credential-malformed', what, () => Buffer.from(decodeBase64(material.data)).toString('latin1'))
  const revealed: Material<string> =
    user.key.kind === 'file' ? user.key : { kind: 'embedded', data: user.key.data.reveal() }
  const certificateChain = await pemOf(user.certificate, 'client-certificate')
  const privateKey = privateKeyFromPem(await pemOf(revealed, 'client-key'))
  const [leaf] = orMalformed('credential-malformed', what, () => parseCertificates(certificateChain))
  if (privateKey === undefined) throw new BootstrapError('credential-malformed', `${what} has no readable private key`)
  if (!leaf.x509.checkPrivateKey(privateKey))
    throw new BootstrapError('credential-malformed', `${what} and its private key do not belong together`)
  return { kind: 'certificate', identity: { certificateChain, privateKey } }
}
