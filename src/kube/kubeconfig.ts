/** kubeconfig files: the cluster in one that was received, and the text of the one that the kubelet is given. */
import { isScalar, parseDocument, visit, type Document } from 'yaml'
import { fieldAt, listAt, textAt } from '../lib/json.ts'

/** What is wrong with a kubeconfig, in words that follow "the kubeconfig"; it never quotes the document. */
export class KubeconfigError extends Error {
  override readonly name = 'KubeconfigError'
}

export interface KubeconfigCluster {
  server: URL
  /** Base64 as it stands there, white space removed. */
  certificateAuthorityData: string | undefined
}

const MAX_ALIASES = 16
/** In UTF-16 units; hundreds of CA certificates fit. */
const MAX_LENGTH = 256 * 1024

/** Instead of yaml's own check, which compares each key of a mapping with all others: minutes for a document made for it. */
function refuseDuplicateKeys(document: Document): void {
  visit(document, {
    Map: (_key, { items }) => {
      const keys = items.map(({ key }) => {
        if (!isScalar(key)) throw new KubeconfigError('has a key that is no text')
        return String(key.value)
      })
      if (new Set(keys).size < keys.length) throw new KubeconfigError('has a key twice in one mapping')
    },
  })
}

function parseYaml(text: string): unknown {
  if (text.length > MAX_LENGTH) throw new KubeconfigError(`is longer than ${MAX_LENGTH} characters`)
  try {
    return toValue(text)
  } catch (cause) {
    if (cause instanceof KubeconfigError) throw cause
    // yaml recurses: what is nested deeply enough exhausts the stack, in any of its steps.
    throw new KubeconfigError('has too many YAML aliases, or is nested too deeply', { cause })
  }
}

function toValue(text: string): unknown {
  const document = parseDocument(text, {
    prettyErrors: false,
    uniqueKeys: false,
    version: '1.2',
    merge: false,
    // 'silent' would take a second document for nothing, too.
    logLevel: 'error',
  })
  const [problem] = document.errors
  if (problem !== undefined) throw new KubeconfigError(`is no YAML (${problem.code} at offset ${problem.pos[0]})`)
  refuseDuplicateKeys(document)
  return document.toJS({ maxAliasCount: MAX_ALIASES })
}

/** The cluster entry in force: of the current context where there is one, else the only one. */
function clusterEntry(config: unknown): unknown {
  const clusters = listAt(config, 'clusters')
  const currentContext = textAt(config, 'current-context') ?? ''
  if (currentContext === '') {
    if (clusters.length !== 1) throw new KubeconfigError(`has ${clusters.length} clusters and no current-context`)
    return fieldAt(clusters[0], 'cluster')
  }
  const clusterName = textAt(named(listAt(config, 'contexts'), currentContext), 'context', 'cluster')
  const cluster = clusterName === undefined ? undefined : named(clusters, clusterName)
  if (cluster === undefined) throw new KubeconfigError('has a current-context without a cluster')
  return fieldAt(cluster, 'cluster')
}

/** The entry of that name. Two of them are refused, as client-go refuses them: which one is meant? */
function named(entries: readonly unknown[], name: string): unknown {
  const [entry, ...others] = entries.filter((candidate) => textAt(candidate, 'name') === name)
  if (others.length > 0) throw new KubeconfigError('has two entries of one name')
  return entry
}

/** Settings that would weaken or redirect the connection; each is refused rather than ignored in silence. */
const REFUSED = ['insecure-skip-tls-verify', 'proxy-url', 'tls-server-name', 'certificate-authority'] as const

function refuseUnsafe(cluster: unknown): void {
  for (const key of REFUSED) {
    const value = fieldAt(cluster, key)
    if (value !== undefined && value !== false && value !== '' && value !== null)
      throw new KubeconfigError(`sets ${key}, which is not taken from a cluster`)
  }
}

function parseServer(text: string | undefined): URL {
  if (text === undefined) throw new KubeconfigError('names no server')
  const url = URL.parse(text)
  if (url === null || url.hostname === '') throw new KubeconfigError('has a server that is no URL')
  if (url.protocol !== 'https:') throw new KubeconfigError('has a server that is not https')
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new KubeconfigError('has a server with more than scheme, host, port and path')
  return url
}

/** Reads the cluster of a kubeconfig that somebody else wrote. Throws KubeconfigError only. */
export function parseKubeconfigCluster(text: string): KubeconfigCluster {
  const config = parseYaml(text)
  const kind = textAt(config, 'kind')
  if (kind !== undefined && kind !== 'Config') throw new KubeconfigError('is of another kind than Config')
  const cluster = clusterEntry(config)
  refuseUnsafe(cluster)
  const data = textAt(cluster, 'certificate-authority-data')?.replace(/\s+/g, '')
  return { server: parseServer(textAt(cluster, 'server')), certificateAuthorityData: data === '' ? undefined : data }
}

export interface KubeletKubeconfig {
  server: string
  certificateAuthority: string
  clientCertificate: string
  clientKey: string
}

const MARK =
  '# Written by node-bootstrap, which keeps it current. It names files, so that a renewed certificate is picked up.'

export const isOwnKubeconfig = (text: string): boolean => text.startsWith(MARK)

/** The kubelet's kubeconfig: it names the CA, the certificate and the key by path and embeds nothing. */
export function renderKubeletKubeconfig(files: KubeletKubeconfig): string {
  const quoted = (text: string): string => JSON.stringify(text)
  return `${MARK}
apiVersion: v1
kind: Config
clusters:
- name: default-cluster
  cluster:
    certificate-authority: ${quoted(files.certificateAuthority)}
    server: ${quoted(files.server)}
users:
- name: default-auth
  user:
    client-certificate: ${quoted(files.clientCertificate)}
    client-key: ${quoted(files.clientKey)}
contexts:
- name: default-context
  context:
    cluster: default-cluster
    namespace: default
    user: default-auth
current-context: default-context
`
}
