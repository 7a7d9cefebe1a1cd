/** A plain HTTPS client for the dev cluster: one request a connection unless an agent is given, and no opinion on answers. */
import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { type Agent, request as httpsRequest } from 'node:https'
import type { Status } from 'kubernetes-types/meta/v1.d.ts'
import type { CertificateSigningRequest } from '../../../src/dev-cluster/certificate-signing-requests.ts'
import type { DevCluster } from '../../../src/dev-cluster/dev-cluster.ts'

export interface ClientRequest {
  method?: string
  path: string
  token?: string
  identity?: { certificatePem: string; privateKeyPem: string }
  /** An object is sent as JSON, text as it is. */
  body?: unknown
  headers?: Readonly<Record<string, string>>
  agent?: Agent
}

/** One JSON body under every type that a test may take it for. */
export interface Body {
  json: unknown
  failure: Status
  csr: CertificateSigningRequest
  configMap: { data: Record<string, string> }
}

export interface Answer extends Body {
  status: number
  headers: IncomingMessage['headers']
  text: string
}

const bodyOf = (json: unknown): Body => ({
  json,
  failure: json as Status,
  csr: json as CertificateSigningRequest,
  configMap: json as Body['configMap'],
})

export const CSRS = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
export const CLUSTER_INFO = '/api/v1/namespaces/kube-public/configmaps/cluster-info'

export function open(cluster: DevCluster, options: ClientRequest): Promise<IncomingMessage> {
  const { method = 'GET', path, token, identity, body, agent } = options
  return new Promise((resolve, reject) => {
    const request = httpsRequest(`https://${cluster.endpoint}${path}`, {
      method,
      ca: cluster.caPem,
      agent: agent ?? false,
      ...(identity === undefined ? {} : { cert: identity.certificatePem, key: identity.privateKeyPem }),
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...options.headers,
      },
    })
    request.on('response', resolve).on('error', reject)
    request.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body))
  })
}

export async function ask(cluster: DevCluster, options: ClientRequest | string): Promise<Answer> {
  const response = await open(cluster, typeof options === 'string' ? { path: options } : options)
  let text = ''
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) text += chunk
  const isJson = response.headers['content-type'] === 'application/json' && text !== ''
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text,
    ...bodyOf(isJson ? (JSON.parse(text) as unknown) : undefined),
  }
}

export interface WatchEvent extends Body {
  type: string
}

/** The events of a watch, as they come; `close` hangs up. */
export async function watch(
  cluster: DevCluster,
  options: ClientRequest,
): Promise<{ next: () => Promise<WatchEvent | undefined>; close: () => void }> {
  const response = await open(cluster, options)
  assert.equal(response.statusCode, 200)
  const events = lines(response)
  return {
    next: async () => {
      const { value, done } = await events.next()
      if (done === true) return undefined
      const { type, object } = JSON.parse(value) as { type: string; object: unknown }
      return { type, ...bodyOf(object) }
    },
    close: () => {
      response.destroy()
    },
  }
}

async function* lines(response: IncomingMessage): AsyncGenerator<string, undefined> {
  let rest = ''
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    yield* parts
  }
  assert.equal(rest, '')
  return undefined
}

export const csrObject = (pem: string, name: string, spec: Record<string, unknown> = {}): Record<string, unknown> => ({
  apiVersion: 'certificates.k8s.io/v1',
  kind: 'CertificateSigningRequest',
  metadata: { name },
  spec: {
    request: Buffer.from(pem).toString('base64'),
    signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
    usages: ['digital signature', 'client auth'],
    ...spec,
  },
})
