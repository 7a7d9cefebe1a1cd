/**
 * Somebody on the path between a node and its cluster: a TLS proxy with a certificate of their own making, or a stolen one,
 * and what they can forge. Whatever a node sends them is kept, so that a test can show what never left it.
 */
import assert from 'node:assert/strict'
import { createCertificateAuthority, type CertificateAuthority } from '../../src/dev-cluster/certificate-authority.ts'
import { clusterInfoKubeconfig } from '../../src/dev-cluster/cluster-info.ts'
import { clusterInfoSignature } from './cluster-info-signature.ts'
import type { ControlPlane, IssuedPair } from './control-plane.ts'
import { TlsProxy, type Answer, type SeenRequest, type TlsProxyOptions } from './tls-proxy.ts'

export const CLUSTER_INFO = '/api/v1/namespaces/kube-public/configmaps/cluster-info'

export interface AttackerOptions {
  /** What stands behind them, where anything does. */
  upstream: Pick<ControlPlane, 'endpoint' | 'caPem'>
  /** Stolen from the cluster, or by mistake issued to them. Default: one of their own CA, for 127.0.0.1. */
  serving?: IssuedPair
  tls?: TlsProxyOptions['tls']
}

export class Attacker implements AsyncDisposable {
  readonly proxy: TlsProxy
  /** Their own; nobody else has ever heard of it. */
  readonly authority: CertificateAuthority

  private constructor(proxy: TlsProxy, authority: CertificateAuthority) {
    this.proxy = proxy
    this.authority = authority
  }

  static async start({ upstream, serving, tls }: AttackerOptions): Promise<Attacker> {
    const authority = createCertificateAuthority()
    const leaf = authority.issue({ ipAddresses: ['127.0.0.1'], extendedKeyUsages: ['serverAuth'] })
    const proxy = await TlsProxy.start({
      upstream: upstream.endpoint,
      upstreamCa: upstream.caPem,
      ...(serving ?? { certificate: leaf.certificatePem, key: leaf.privateKeyPem }),
      ...(tls === undefined ? {} : { tls }),
    })
    return new Attacker(proxy, authority)
  }

  get endpoint(): string {
    return this.proxy.endpoint
  }

  /** A kubeconfig that names them as the server, and this CA bundle; their own CA by default. */
  kubeconfig(caPem = this.authority.certificatePem): string {
    return clusterInfoKubeconfig(`https://${this.endpoint}`, caPem)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.proxy.stop()
  }
}

/** The JSON of an answer that came in one piece, as the upstream's do. */
export const jsonIn = ({ body }: Answer): unknown =>
  typeof body === 'string' || body instanceof Buffer ? (JSON.parse(body.toString()) as unknown) : undefined

export const isClusterInfo = ({ path }: Pick<SeenRequest, 'path'>): boolean => path === CLUSTER_INFO

export const jsonAnswer = (value: unknown, status = 200): Answer => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
})

/** cluster-info of this text, with whatever stands for a signature. */
export const clusterInfoAnswer = (kubeconfig: string, tokenId: string, signature: string | undefined): Answer =>
  jsonAnswer({
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: { name: 'cluster-info', namespace: 'kube-public' },
    data: { kubeconfig, ...(signature === undefined ? {} : { [`jws-kubeconfig-${tokenId}`]: signature }) },
  })

/** What a holder of the token can serve: any text, rightly signed. */
export function signedClusterInfo(kubeconfig: string, token: string): Answer {
  const [id = '', secret = ''] = token.split('.')
  return clusterInfoAnswer(kubeconfig, id, clusterInfoSignature(kubeconfig, id, secret))
}

/** Every form in which a secret could travel. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret)
  return [secret, bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url'), bytes.toString('hex')]
}

/**
 * No request that they saw carried a credential: no Authorization of any kind, no client certificate, and none of
 * `secrets` anywhere in line, head or body.
 */
export function assertNothingSecret({ proxy }: Attacker, secrets: readonly string[]): void {
  assert.deepEqual(proxy.clientCertificates, [], 'a client certificate was shown to them')
  for (const { line, rawHeaders, headers, body } of proxy.requests) {
    assert.equal(headers.authorization, undefined, line)
    const everything = [line, ...rawHeaders, body.toString('latin1')].join('\n')
    for (const form of secrets.flatMap(formsOf)) assert.ok(!everything.includes(form), `a secret in ${line}`)
  }
}
