/** The dev cluster behind the interface that the behaviours are written against. */
import type { CertificateSigningRequest } from 'kubernetes-types/certificates/v1.js'
import { createCertificateAuthority } from '../../src/dev-cluster/certificate-authority.ts'
import { startDevCluster, type DevCluster } from '../../src/dev-cluster/dev-cluster.ts'
import { AdminClient } from './admin-client.ts'
import type {
  AdminResponse,
  ControlPlane,
  ControlPlaneFeature,
  ControlPlaneOptions,
  IssuedPair,
  TokenOptions,
} from './control-plane.ts'

const HOUR_MS = 3_600_000
const VERSION = '1.36.0'

export async function startEmbeddedControlPlane(options: ControlPlaneOptions = {}): Promise<EmbeddedControlPlane> {
  const { approval, certificateDurationMs, anonymousAuth } = options
  const cluster = await startDevCluster({
    kubernetesVersion: `v${VERSION}`,
    ...(approval === undefined ? {} : { approval }),
    ...(certificateDurationMs === undefined ? {} : { certificateDurationMs }),
    ...(anonymousAuth === undefined ? {} : { anonymousAccess: anonymousAuth }),
  })
  return new EmbeddedControlPlane(cluster)
}

export class EmbeddedControlPlane implements ControlPlane {
  readonly kind = 'embedded'
  readonly version = VERSION
  readonly lacks: readonly ControlPlaneFeature[] = []
  readonly endpoint: string
  readonly caPem: string
  readonly caCertHash: string
  readonly #next = createCertificateAuthority({ commonName: 'kubernetes-next' })
  readonly nextCaPem = this.#next.certificatePem
  /** For faults that only this one can play. */
  readonly cluster: DevCluster
  readonly #admin: AdminClient

  constructor(cluster: DevCluster) {
    this.cluster = cluster
    this.endpoint = cluster.endpoint
    this.caPem = cluster.caPem
    this.caCertHash = cluster.caCertHash
    const { certificatePem: certificate, privateKeyPem: key } = cluster.adminIdentity
    const port = Number(new URL(`https://${cluster.endpoint}`).port)
    this.#admin = new AdminClient({ port, caPem: cluster.caPem + this.nextCaPem, identity: { certificate, key } })
  }

  createToken({ ttlMs = HOUR_MS, signing = true, authentication = true }: TokenOptions = {}): Promise<string> {
    return settle(() =>
      this.cluster.createToken({
        expiresAtMs: Date.now() + ttlMs,
        usageSigning: signing,
        usageAuthentication: authentication,
      }),
    )
  }

  deleteToken(id: string): Promise<void> {
    return settle(() => {
      this.cluster.deleteToken(id)
    })
  }

  listCertificateSigningRequests(): Promise<CertificateSigningRequest[]> {
    return settle(() => this.cluster.listCertificateSigningRequests())
  }

  approve(name: string): Promise<void> {
    return settle(() => {
      this.cluster.approve(name, { reason: 'ApprovedByTest', message: 'approved by a test' })
    })
  }

  deny(name: string, reason: string, message: string): Promise<void> {
    return settle(() => {
      this.cluster.deny(name, { reason, message })
    })
  }

  deleteCertificateSigningRequest(name: string): Promise<void> {
    return settle(() => {
      this.cluster.deleteCertificateSigningRequest(name)
    })
  }

  updateClusterInfo(change: (data: Record<string, string>) => Record<string, string>): Promise<void> {
    return settle(() => {
      this.cluster.patchClusterInfo(change, { sign: true })
    })
  }

  issueClientCertificate(commonName: string, organizations: readonly string[]): Promise<IssuedPair> {
    return settle(() => {
      const issued = this.cluster.ca.issue({ commonName, organizations, extendedKeyUsages: ['clientAuth'] })
      return { certificate: issued.certificatePem, key: issued.privateKeyPem }
    })
  }

  issueServingCertificate(subjectAltName: string): Promise<IssuedPair> {
    return settle(() => {
      const names = subjectAltName.split(',').map((name) => name.split(/:(.*)/s))
      const valuesOf = (type: string): string[] => names.flatMap(([kind, value = '']) => (kind === type ? [value] : []))
      const { certificatePem, privateKeyPem } = this.cluster.ca.issue({
        commonName: 'load-balancer',
        extendedKeyUsages: ['serverAuth'],
        dnsNames: valuesOf('DNS'),
        ipAddresses: valuesOf('IP'),
      })
      return { certificate: certificatePem, key: privateKeyPem }
    })
  }

  async serveUnder(authority: 'first' | 'next'): Promise<void> {
    const issuer = authority === 'next' ? this.#next : this.cluster.ca
    const names = { commonName: 'kube-apiserver', ipAddresses: ['127.0.0.1'], dnsNames: ['localhost'] }
    this.cluster.useServerCertificate(issuer.issue({ ...names, extendedKeyUsages: ['serverAuth'] }))
    await this.restart()
  }

  async restart(): Promise<void> {
    await this.stopApiServer()
    await this.startApiServer()
  }

  stopApiServer(): Promise<void> {
    return this.cluster.stop()
  }

  /** A real one begins with an empty watch cache, so that no watch can begin before its start. */
  startApiServer(): Promise<void> {
    this.cluster.patchClusterInfo((data) => data, { sign: true })
    this.cluster.compact()
    return this.cluster.start()
  }

  admin(method: string, path: string, body?: unknown): Promise<AdminResponse> {
    return this.#admin.send(method, path, body)
  }

  async stop(): Promise<void> {
    this.#admin.close()
    await this.cluster.stop()
  }
}

/** What a synchronous call returns or throws, as a promise. */
function settle<Value>(call: () => Value): Promise<Value> {
  return new Promise((resolve) => {
    resolve(call())
  })
}
