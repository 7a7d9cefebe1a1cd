/**
 * A control plane in this process, for the demo and the tests: the part of the Kubernetes API that a joining node sees,
 * with its own CA, approver and signer. It is no security product: who holds the object holds the CA.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../lib/ports.ts'
import { answer } from './api-server.ts'
import type { User } from './authentication.ts'
import { type BootstrapTokenOptions, BootstrapTokens } from './bootstrap-tokens.ts'
import { type CertificateAuthority, createCertificateAuthority, type IssuedIdentity } from './certificate-authority.ts'
import { ClusterInfo, type ClusterInfoData, clusterInfoKubeconfig } from './cluster-info.ts'
import { startControllers } from './controllers.ts'
import { type RequestMethods, requestMethods } from './csr-methods.ts'
import { CsrStore, type StoredState } from './csr-store.ts'
import {
  type FaultHook,
  peerCertificates,
  type RecordedRequest,
  type ServerCertificate,
  TlsServer,
} from './tls-server.ts'

export interface DevClusterOptions {
  /** 127.0.0.1 by default. */
  host?: string
  /** Any free one by default. */
  port?: number
  /** automatic by default: as kubeadm binds the csrapproving controller. */
  approval?: 'automatic' | 'manual'
  /** The signer's maximum and default; a year by default. */
  certificateDurationMs?: number
  /** true by default; false is --anonymous-auth=false. */
  anonymousAccess?: boolean
  /** Token expiry, certificate times, timestamps and, with a `sleep`, the end of a watch. TLS itself follows the real one. */
  clock?: Pick<Clock, 'nowMs'> & Partial<Pick<Clock, 'sleep'>>
  ca?: CertificateAuthority
  serverCertificate?: ServerCertificate
  /** true by default; without it an approved request stays unissued. */
  signerEnabled?: boolean
  /** Recorded requests that are kept; 1000 by default. */
  requestLogLimit?: number
  /** Events that a watch can replay; 100 by default. */
  eventHistoryLimit?: number
  /** What /version says; v1.36.0 by default. */
  kubernetesVersion?: string
  respond?: FaultHook
}

export interface DevCluster extends RequestMethods {
  /** host:port. */
  readonly endpoint: string
  readonly ca: CertificateAuthority
  readonly caPem: string
  readonly caCertHash: string
  /** A client certificate of system:masters. */
  readonly adminIdentity: IssuedIdentity
  readonly requests: readonly RecordedRequest[]
  /** TLS connections so far. */
  readonly connections: number
  /** Sees every request first. */
  respond: FaultHook | undefined
  /** Returns `id.secret`, and signs cluster-info anew. */
  createToken(options?: BootstrapTokenOptions): string
  deleteToken(id: string): void
  /** Publishes what `change` returns, undefined for no ConfigMap; signatures are left stale unless `sign`. */
  patchClusterInfo(change: (data: ClusterInfoData) => ClusterInfoData | undefined, options?: { sign?: boolean }): void
  /** The watches that have asked for bookmarks get one. */
  sendBookmarks(): void
  /** Forgets past events: an older resourceVersion gets 410. */
  compact(): void
  useServerCertificate(certificate: ServerCertificate): void
  /** Answers a request that came by another way than its own listener, from the holder of `clientCertificates` (DER, leaf first). */
  handle(incoming: IncomingMessage, response: ServerResponse, clientCertificates: readonly Uint8Array[]): Promise<void>
  /** What its etcd holds of certificate signing requests, to come back to. */
  save(): StoredState
  restore(state: StoredState): void
  /** Cuts every connection; the same port listens again with the state as it was. */
  restart(): Promise<void>
  /** Stops listening and cuts every connection; `start` brings it back. */
  stop(): Promise<void>
  start(): Promise<void>
}

const YEAR_MS = 365 * 86_400_000

/** Resolves when it listens. */
export async function startDevCluster(options: DevClusterOptions = {}): Promise<DevCluster> {
  const nowMs = (): number => options.clock?.nowMs() ?? Date.now()
  const host = options.host ?? '127.0.0.1'
  const ca = options.ca ?? createCertificateAuthority()
  const store = new CsrStore(options.eventHistoryLimit)
  const tokens = new BootstrapTokens()
  const bookmarks = new Set<() => void>()
  const server = new TlsServer({
    host,
    port: options.port ?? 0,
    certificate: options.serverCertificate ?? issueServerCertificate(ca, host),
    requestLogLimit: options.requestLogLimit ?? 1000,
    answer: (incoming, response, record) =>
      handle(incoming, response, peerCertificates(incoming.socket), ({ name }) => {
        record.user = name
      }),
  })
  const handle: Parts['handle'] = async (incoming, response, clientCertificates, onAuthenticated = () => undefined) => {
    clusterInfo.forget(tokens.removeExpired(nowMs()))
    const credentials = { authorization: incoming.headers.authorization, clientCertificates }
    await answer({ incoming, response, credentials, onAuthenticated }, apiServer)
  }
  server.respond = options.respond
  await server.listen()
  const endpoint = `${host.includes(':') ? `[${host}]` : host}:${server.port}`
  const kubeconfig = clusterInfoKubeconfig(`https://${endpoint}`, ca.certificatePem)
  const clusterInfo = new ClusterInfo(kubeconfig, nowMs(), () => store.nextResourceVersion())
  const apiServer = {
    store,
    tokens,
    clusterInfo,
    bookmarks,
    nowMs,
    sleep: options.clock?.sleep ?? realSleep,
    clientCaPem: ca.certificatePem,
    anonymousAccess: options.anonymousAccess ?? true,
    kubernetesVersion: options.kubernetesVersion ?? 'v1.36.0',
  }
  startControllers({
    store,
    nowMs,
    ca,
    approval: options.approval ?? 'automatic',
    signerEnabled: options.signerEnabled ?? true,
    certificateDurationMs: options.certificateDurationMs ?? YEAR_MS,
  })
  return devCluster({ endpoint, ca, store, tokens, clusterInfo, bookmarks, server, nowMs, handle })
}

interface Parts {
  endpoint: string
  ca: CertificateAuthority
  store: CsrStore
  tokens: BootstrapTokens
  clusterInfo: ClusterInfo
  bookmarks: ReadonlySet<() => void>
  server: TlsServer
  nowMs: () => number
  handle: (...args: [...Parameters<DevCluster['handle']>, onAuthenticated?: (user: User) => void]) => Promise<void>
}

/** As the clock port has it: an abort is an ordinary end. */
const realSleep: Clock['sleep'] = (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined)

function devCluster(parts: Parts): DevCluster {
  const { endpoint, ca, store, bookmarks, server } = parts
  return {
    endpoint,
    ca,
    caPem: ca.certificatePem,
    caCertHash: ca.caCertHash,
    adminIdentity: ca.issue({
      commonName: 'kubernetes-admin',
      organizations: ['system:masters'],
      extendedKeyUsages: ['clientAuth'],
    }),
    get requests() {
      return server.requests
    },
    get connections() {
      return server.connections
    },
    get respond() {
      return server.respond
    },
    set respond(hook) {
      server.respond = hook
    },
    ...tokenMethods(parts),
    ...requestMethods(parts.store, parts.nowMs),
    sendBookmarks: () => {
      for (const send of bookmarks) send()
    },
    compact: () => {
      store.compact()
    },
    useServerCertificate: (certificate) => {
      server.useCertificate(certificate)
    },
    handle: (incoming, response, clientCertificates) => parts.handle(incoming, response, clientCertificates),
    save: () => store.save(),
    restore: (state) => {
      store.restore(state)
    },
    restart: async () => {
      await server.close()
      await server.listen()
    },
    stop: () => server.close(),
    start: () => server.listen(),
  }
}

function tokenMethods({
  tokens,
  clusterInfo,
}: Parts): Pick<DevCluster, 'createToken' | 'deleteToken' | 'patchClusterInfo'> {
  return {
    createToken: (options = {}) => {
      const { id, secret } = tokens.create(options)
      clusterInfo.sign(tokens)
      return `${id}.${secret}`
    },
    deleteToken: (id) => {
      if (tokens.delete(id)) clusterInfo.forget([id])
    },
    patchClusterInfo: (change, { sign = false } = {}) => {
      clusterInfo.data = change(clusterInfo.data ?? {})
      if (sign) clusterInfo.sign(tokens)
    },
  }
}

const issueServerCertificate = (ca: CertificateAuthority, host: string): ServerCertificate =>
  ca.issue({
    commonName: 'kube-apiserver',
    dnsNames: ['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'],
    ipAddresses: ['127.0.0.1', ...(isIP(host) === 0 || host === '127.0.0.1' ? [] : [host])],
    notAfterMs: Date.now() + YEAR_MS,
    extendedKeyUsages: ['serverAuth'],
  })
