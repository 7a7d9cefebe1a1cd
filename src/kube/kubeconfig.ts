/** Reads kubeconfig files that somebody else wrote: the cluster and the user in force, and nothing that would weaken either. */
import { fieldAt, listAt, textAt } from '../lib/json.ts'
import { Secret } from '../lib/secret.ts'
import { KubeconfigError, parseYaml } from './kubeconfig-yaml.ts'

export { KubeconfigError } from './kubeconfig-yaml.ts'

/** A certificate, a key or a token: in the kubeconfig itself, or in the file that it names. Paths stand as they are written. */
export type Material<Data> = { kind: 'embedded'; data: Data } | { kind: 'file'; path: string }

export interface KubeconfigCluster {
  server: URL
  /** Embedded: base64 as it stands there, white space removed. */
  certificateAuthority: Material<string> | undefined
}

export type KubeconfigUser =
  | { kind: 'token'; token: Material<Secret> }
  /** Embedded: base64 of PEM, as it stands there. */
  | { kind: 'certificate'; certificate: Material<string>; key: Material<Secret> }

export interface Kubeconfig {
  cluster: KubeconfigCluster
  /** Undefined where the kubeconfig carries no credential. */
  user: KubeconfigUser | undefined
}

/** Where a kubeconfig came from: one that came over a network names no files of this machine. */
export type KubeconfigOrigin = 'local' | 'remote'

/** The entry of that name. Two of them are refused, as client-go refuses them: which one is meant? */
function named(entries: readonly unknown[], name: string): unknown {
  const [entry, ...others] = entries.filter((candidate) => textAt(candidate, 'name') === name)
  if (others.length > 0) throw new KubeconfigError('has two entries of one name')
  return entry
}

/** The cluster entry in force: of the current context where there is one, else the only one. */
function clusterEntry(config: unknown, context: unknown): unknown {
  const clusters = listAt(config, 'clusters')
  if (context === undefined) {
    if (clusters.length !== 1) throw new KubeconfigError(`has ${clusters.length} clusters and no current-context`)
    return fieldAt(clusters[0], 'cluster')
  }
  const clusterName = textAt(context, 'cluster')
  const cluster = clusterName === undefined ? undefined : named(clusters, clusterName)
  if (cluster === undefined) throw new KubeconfigError('has a current-context without a cluster')
  return fieldAt(cluster, 'cluster')
}

/** The user entry in force, likewise; a kubeconfig need not have one. */
function userEntry(config: unknown, context: unknown): unknown {
  const users = listAt(config, 'users')
  if (context === undefined) {
    if (users.length > 1) throw new KubeconfigError(`has ${users.length} users and no current-context`)
    return fieldAt(users[0], 'user')
  }
  return fieldAt(named(users, textAt(context, 'user') ?? ''), 'user')
}

/** The current context; undefined where none is named. */
function currentContext(config: unknown): unknown {
  const name = textAt(config, 'current-context') ?? ''
  if (name === '') return undefined
  const context = named(listAt(config, 'contexts'), name)
  if (context === undefined) throw new KubeconfigError('has a current-context that is not there')
  return fieldAt(context, 'context') ?? {}
}

/** What a field says, when it says anything: null, false and empty text are nothing. */
const isSaid = (value: unknown): boolean => value !== undefined && value !== false && value !== '' && value !== null

/** Each of these is refused rather than ignored in silence. */
function refuse(entry: unknown, keys: readonly string[], why: string): void {
  for (const key of keys) if (isSaid(fieldAt(entry, key))) throw new KubeconfigError(`sets ${key}, ${why}`)
}

/** Settings that would weaken or redirect the connection. */
const UNSAFE = ['insecure-skip-tls-verify', 'proxy-url', 'tls-server-name'] as const
const UNSAFE_REASON = 'which is not taken from a kubeconfig'

/** Ways to authenticate that run a program, that Kubernetes has dropped, or that act as somebody else. */
const UNSUPPORTED = ['exec', 'auth-provider', 'username', 'password', 'as', 'as-uid', 'as-groups', 'as-user-extra']
const UNSUPPORTED_REASON = 'which is not supported: give a token or a client certificate'

function parseServer(text: string | undefined): URL {
  if (text === undefined) throw new KubeconfigError('names no server')
  const url = URL.parse(text)
  if (url === null || url.hostname === '') throw new KubeconfigError('has a server that is no URL')
  if (url.protocol !== 'https:') throw new KubeconfigError('has a server that is not https')
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new KubeconfigError('has a server with more than scheme, host, port and path')
  return url
}

/** Text that says something; undefined where nothing is said. */
function saidText(entry: unknown, key: string): string | undefined {
  const value = fieldAt(entry, key)
  if (!isSaid(value)) return undefined
  if (typeof value !== 'string') throw new KubeconfigError(`has a ${key} that is no text`)
  return value.trim() === '' ? undefined : value.trim()
}

function saidPath(entry: unknown, key: string, origin: KubeconfigOrigin): Material<never> | undefined {
  const path = saidText(entry, key)
  if (path === undefined) return undefined
  if (origin === 'remote')
    throw new KubeconfigError(`sets ${key}: one that comes over a network names no files of this machine`)
  return { kind: 'file', path }
}

/** `KEY-data` wins over a file that KEY names, as client-go has it. */
function base64Or(entry: unknown, key: string, origin: KubeconfigOrigin): Material<string> | undefined {
  const named = saidPath(entry, key, origin)
  const data = saidText(entry, `${key}-data`)
  return data === undefined ? named : { kind: 'embedded', data: data.replace(/\s+/g, '') }
}

/** Here the file wins, as client-go has it: it is the one that is renewed. */
function tokenOr(entry: unknown, origin: KubeconfigOrigin): Material<Secret> | undefined {
  const token = saidText(entry, 'token')
  const named = saidPath(entry, 'tokenFile', origin)
  return named ?? (token === undefined ? undefined : { kind: 'embedded', data: new Secret(token) })
}

const secret = (text: Material<string>): Material<Secret> =>
  text.kind === 'file' ? text : { kind: 'embedded', data: new Secret(text.data) }

function parseCluster(entry: unknown, origin: KubeconfigOrigin): KubeconfigCluster {
  refuse(entry, UNSAFE, UNSAFE_REASON)
  return {
    server: parseServer(textAt(entry, 'server')),
    certificateAuthority: base64Or(entry, 'certificate-authority', origin),
  }
}

function parseUser(entry: unknown, origin: KubeconfigOrigin): KubeconfigUser | undefined {
  refuse(entry, UNSUPPORTED, UNSUPPORTED_REASON)
  const certificate = base64Or(entry, 'client-certificate', origin)
  const key = base64Or(entry, 'client-key', origin)
  const token = tokenOr(entry, origin)
  if ((certificate === undefined) !== (key === undefined))
    throw new KubeconfigError('has a client certificate without its key, or a key without its certificate')
  if (certificate === undefined || key === undefined) return token === undefined ? undefined : { kind: 'token', token }
  if (token !== undefined) throw new KubeconfigError('has a user with both a token and a client certificate')
  return { kind: 'certificate', certificate, key: secret(key) }
}

/** Reads the cluster and the user of a kubeconfig. Throws KubeconfigError only, which never quotes the document. */
export function parseKubeconfig(text: string, origin: KubeconfigOrigin): Kubeconfig {
  const config = parseYaml(text)
  const kind = textAt(config, 'kind')
  if (kind !== undefined && kind !== 'Config') throw new KubeconfigError('is of another kind than Config')
  const context = currentContext(config)
  return {
    cluster: parseCluster(clusterEntry(config, context), origin),
    user: parseUser(userEntry(config, context), origin),
  }
}
