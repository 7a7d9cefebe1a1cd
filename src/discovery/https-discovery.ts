/** Discovery by a kubeconfig that an https server hands out: trusted as far as that server is, by pins, a CA file or the system's roots. */
import type { ApiClient } from '../kube/api-request.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Files, Http, VerifiedTrust } from '../lib/ports.ts'
import {
  CertificateError,
  certificateToPem,
  parseCertificate,
  publicKeyPin,
  type Certificate,
} from '../pki/certificate.ts'
import { pemBlocks } from '../pki/pem.ts'
import { pinnedAuthorities } from './authorities.ts'
import type { Discovered, KubeconfigDocument } from './discovered.ts'
import { fetchDocument, urlLabel } from './kubeconfig-document.ts'
import { verifyKubeconfig } from './kubeconfig-discovery.ts'
import type { KubeconfigSource } from './kubeconfig-material.ts'
import { systemRoots } from './system-roots.ts'

export interface HttpsDiscoveryPorts {
  files: Files
  http: Http
  client: ApiClient
  /** $SSL_CERT_FILE. */
  certificateFile: string | undefined
}

export interface HttpsDiscoveryInput {
  url: URL
  /** Lower-case hex digests of public keys: of the https server's CA, an intermediate, or its own. */
  caCertHashes: readonly string[]
  /** caFile: what vouches for the https server in place of the system's roots. */
  serverAuthorities: readonly Certificate[] | undefined
  /** clusterCAFile. */
  clusterAuthorities: readonly Certificate[] | undefined
  /** What the same configuration was handed before. */
  known: KubeconfigDocument | undefined
}

const HANDSHAKE_TIMEOUT_MS = 10_000

/** The document as a kubeconfig to read: it came over a network, so it names no files. */
export const documentSource = ({ url, text }: KubeconfigDocument): KubeconfigSource => ({
  label: urlLabel(new URL(url)),
  origin: 'remote',
  directory: '/',
  text,
})

export async function discoverByHttps(
  ports: HttpsDiscoveryPorts,
  input: HttpsDiscoveryInput,
  signal: AbortSignal,
): Promise<Discovered & { document: KubeconfigDocument }> {
  const { url, known, serverAuthorities, clusterAuthorities } = input
  const trustFor = (hop: URL): Promise<VerifiedTrust> => trustOf(ports, input, hop, signal)
  const document = await withHints(() => fetchDocument(ports.http, { url, trustFor, known }, signal))
  const authorities = { required: clusterAuthorities, fallback: serverAuthorities }
  const source = documentSource(document)
  const cluster = await verifyKubeconfig(ports.files, ports.client, source, authorities, signal)
  return { cluster, document, evidence: evidenceOf(input, source.label, cluster.server) }
}

/** Pins narrow what is believed: only what matches is then an anchor, and OpenSSL verifies the rest as ever. */
async function trustOf(
  { files, http, certificateFile }: HttpsDiscoveryPorts,
  { caCertHashes, serverAuthorities }: HttpsDiscoveryInput,
  url: URL,
  signal: AbortSignal,
): Promise<VerifiedTrust> {
  if (caCertHashes.length === 0)
    return { roots: serverAuthorities?.map(certificateToPem) ?? [await systemRoots(files, certificateFile)] }
  if (serverAuthorities !== undefined)
    return { roots: pinnedAuthorities(serverAuthorities, caCertHashes).map(certificateToPem) }
  const presented = readable(await http.presentedCertificates(url, HANDSHAKE_TIMEOUT_MS, signal))
  const roots = isPinned(presented, caCertHashes)
    ? presented
    : // A server need not send its root: that may be one of the system's.
      [...presented, ...(await pinnedSystemRoots(files, certificateFile, caCertHashes))]
  return { roots: pinnedAuthorities(roots, caCertHashes).map(certificateToPem) }
}

const isPinned = (certificates: readonly Certificate[], pins: readonly string[]): boolean =>
  certificates.some((certificate) => pins.includes(publicKeyPin(certificate)))

async function pinnedSystemRoots(
  files: Files,
  certificateFile: string | undefined,
  pins: readonly string[],
): Promise<Certificate[]> {
  const pem = await systemRoots(files, certificateFile).catch(() => '')
  return readable(pemBlocks(pem, 'CERTIFICATE')).filter((certificate) => pins.includes(publicKeyPin(certificate)))
}

/** Those that can be read: one odd certificate among many says nothing against the others. */
function readable(ders: readonly Uint8Array[]): Certificate[] {
  return ders.flatMap((der) => {
    try {
      return [parseCertificate(der)]
    } catch (thrown) {
      if (thrown instanceof CertificateError) return []
      throw thrown
    }
  })
}

const hints: Partial<Readonly<Record<string, string>>> = {
  'server-untrusted':
    'nothing vouches for this server: give its CA as discovery.https.caFile or its pin as caCertHashes, or look for someone in between',
  'pin-mismatch':
    'compare with the server itself: openssl s_client -showcerts -connect HOST:443, then openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | sha256sum',
  'body-too-large': 'check discovery.https.url: a kubeconfig is smaller than 1 MiB',
  'tls-failed': 'check discovery.https.url: what answers there does not speak TLS 1.2 or newer',
  throttled: 'the server of the kubeconfig asks for patience; it is tried again as it says',
  'not-kubernetes': 'check discovery.https.url: what answers there does not speak HTTP',
}

/** The codes' own hints speak of API servers; here it is the server of the kubeconfig. */
async function withHints<Value>(fetch: () => Promise<Value>): Promise<Value> {
  try {
    return await fetch()
  } catch (thrown) {
    const hint = thrown instanceof BootstrapError ? hints[thrown.code] : undefined
    if (hint === undefined || !(thrown instanceof BootstrapError)) throw thrown
    const { code, message, retryable, retryAfterMs } = thrown
    throw new BootstrapError(code, message, {
      hint,
      retryable,
      cause: thrown,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    })
  }
}

function evidenceOf(input: HttpsDiscoveryInput, source: string, server: URL): Discovered['evidence'] {
  const { caCertHashes, serverAuthorities, clusterAuthorities } = input
  const pinned = caCertHashes.length > 0
  const outOfBand = serverAuthorities !== undefined
  return {
    method: 'https',
    source,
    verified: [
      ...(outOfBand ? ['the https server’s CA is in caFile'] : []),
      ...(pinned ? ['the https server showed a certificate whose public key is pinned'] : []),
      ...(pinned || outOfBand ? [] : ['one of the system’s roots vouched for the https server']),
      ...(clusterAuthorities === undefined ? [] : ['the cluster’s CA is in clusterCAFile']),
      `${server.host} proved to hold a certificate of the CA in the kubeconfig`,
    ],
  }
}
