/** A real Kubernetes control plane, set up the way kubeadm does it, behind the interface that the behaviours are written against. */
import { randomBytes, randomInt } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { CertificateSigningRequest, CertificateSigningRequestList } from 'kubernetes-types/certificates/v1.js'
import type { TokenReview } from 'kubernetes-types/authentication/v1.js'
import type { ConfigMap } from 'kubernetes-types/core/v1.js'
import { AdminClient } from './admin-client.ts'
import { caCertHash, issueLeaf, readPem } from './certificates.ts'
import { isSignedBy } from './cluster-info-signature.ts'
import type {
  AdminResponse,
  ControlPlane,
  ControlPlaneFeature,
  ControlPlaneOptions,
  IssuedPair,
  TokenOptions,
} from './control-plane.ts'
import { eventually } from './eventually.ts'
import { findKubeAssets, type KubeAssets } from './kube-assets.ts'
import {
  CLUSTER_INFO_PATH,
  clusterObjects,
  TOKEN_SECRETS_PATH,
  tokenSecret,
  type ObjectToCreate,
} from './kube-objects.ts'
import { SERVICE_ACCOUNT_ISSUER } from './kube-flags.ts'
import { KubeProcesses } from './kube-processes.ts'

export { realControlPlaneAvailability, realSignerProblem } from './kube-assets.ts'

const CSR_PATH = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const HOUR_MS = 3_600_000
const DEADLINE_MS = 60_000

/** Rejects where `realControlPlaneAvailability` says that there is none. */
export async function startRealControlPlane(options: ControlPlaneOptions = {}): Promise<RealControlPlane> {
  const found = await findKubeAssets()
  if ('reason' in found) throw new Error(`no real control plane: ${found.reason}`)
  try {
    return await RealControlPlane.start(found.assets, options)
  } catch (error) {
    // A port can be taken between its choice and its use; once more, with others, is enough.
    if (!String(error).includes('address already in use')) throw error
    return RealControlPlane.start(found.assets, options)
  }
}

export class RealControlPlane implements ControlPlane {
  readonly kind = 'real'
  readonly version: string
  readonly lacks: readonly ControlPlaneFeature[]
  readonly endpoint: string
  readonly caPem: string
  readonly caCertHash: string
  readonly nextCaPem: string
  readonly #processes: KubeProcesses
  readonly #anonymous: AdminClient
  readonly #secrets = new Map<string, string>()

  private constructor(assets: KubeAssets, processes: KubeProcesses, hash: string) {
    this.version = assets.version
    this.lacks =
      assets.controllerManager === undefined
        ? ['bootstrap-signer', 'token-cleaner', 'automatic-approval', 'certificate-signer']
        : []
    this.endpoint = `127.0.0.1:${processes.port}`
    this.caPem = processes.caPem
    this.nextCaPem = processes.nextCaPem
    this.caCertHash = hash
    this.#processes = processes
    this.#anonymous = new AdminClient({ port: processes.port, caPem: processes.trustedPem })
  }

  static async start(assets: KubeAssets, options: ControlPlaneOptions): Promise<RealControlPlane> {
    const processes = await KubeProcesses.start(assets, options)
    try {
      const hash = await caCertHash(processes.authority.certificatePath)
      const controlPlane = new RealControlPlane(assets, processes, hash)
      await Promise.all([processes.startControllers(), controlPlane.#createObjects(options)])
      return controlPlane
    } catch (error) {
      await processes.stop()
      throw error
    }
  }

  /** For tests of the harness: what must be gone after `stop`. */
  get traces(): { pids: number[]; directory: string } {
    return { pids: this.#processes.pids, directory: this.#processes.directory }
  }

  async createToken({ ttlMs = HOUR_MS, signing = true, authentication = true }: TokenOptions = {}): Promise<string> {
    if (signing && this.lacks.includes('bootstrap-signer')) {
      throw new Error('nothing here signs cluster-info: there is no kube-controller-manager')
    }
    const [id, secret] = [randomAlphanumeric(6), randomAlphanumeric(16)]
    await this.#create(tokenSecret([id, secret], { expiresAt: new Date(Date.now() + ttlMs), signing, authentication }))
    this.#secrets.set(id, secret)
    if (signing) {
      await this.#eventually(`cluster-info is signed for ${id}`, async () =>
        isSignedBy(await this.#clusterInfo(), id, secret),
      )
    }
    if (authentication) await this.#eventually(`token ${id} authenticates`, () => this.#isKnown(`${id}.${secret}`))
    return `${id}.${secret}`
  }

  async deleteToken(id: string): Promise<void> {
    await this.#expect(200, 'DELETE', `${TOKEN_SECRETS_PATH}/bootstrap-token-${id}`)
    const secret = this.#secrets.get(id)
    this.#secrets.delete(id)
    await this.#eventually(
      `the signature of ${id} is gone`,
      async () => !(`jws-kubeconfig-${id}` in (await this.#clusterInfo())),
    )
    if (secret === undefined) return
    await this.#eventually(`token ${id} is refused`, async () => !(await this.#authenticates(id, secret)))
  }

  async listCertificateSigningRequests(): Promise<CertificateSigningRequest[]> {
    const body = await this.#expect(200, 'GET', CSR_PATH)
    return (body as CertificateSigningRequestList).items
  }

  approve(name: string): Promise<void> {
    return this.#decide(name, { type: 'Approved', reason: 'ApprovedByTest', message: 'approved by a test' })
  }

  deny(name: string, reason: string, message: string): Promise<void> {
    return this.#decide(name, { type: 'Denied', reason, message })
  }

  async deleteCertificateSigningRequest(name: string): Promise<void> {
    await this.#expect(200, 'DELETE', csrPath(name))
  }

  updateClusterInfo(change: (data: Record<string, string>) => Record<string, string>): Promise<void> {
    return this.#update(CLUSTER_INFO_PATH, CLUSTER_INFO_PATH, (object) => {
      const configMap = object as ConfigMap
      return { ...configMap, data: change({ ...configMap.data }) }
    })
  }

  async issueServingCertificate(subjectAltName: string): Promise<IssuedPair> {
    const { directory, authority } = this.#processes
    const name = `serving-${randomBytes(8).toString('hex')}`
    const request = { name, subject: '/CN=load-balancer', usage: 'serverAuth', subjectAltName } as const
    return readPem(await issueLeaf(directory, authority, request))
  }

  async issueClientCertificate(commonName: string, organizations: readonly string[]): Promise<IssuedPair> {
    const { directory, authority } = this.#processes
    const name = `client-${randomBytes(8).toString('hex')}`
    const subject = [...organizations.map((organization) => `/O=${organization}`), `/CN=${commonName}`].join('')
    return readPem(await issueLeaf(directory, authority, { name, subject, usage: 'clientAuth' }))
  }

  async serveUnder(authority: 'first' | 'next'): Promise<void> {
    await this.stopApiServer()
    await this.#processes.issueServing(authority)
    await this.startApiServer()
  }

  async restart(): Promise<void> {
    await this.stopApiServer()
    await this.startApiServer()
  }

  stopApiServer(): Promise<void> {
    return this.#processes.stopApiServer()
  }

  async startApiServer(): Promise<void> {
    await this.#processes.startApiServer()
    await this.#processes.startControllers()
  }

  admin(method: string, path: string, body?: unknown): Promise<AdminResponse> {
    return this.#processes.admin.send(method, path, body)
  }

  /** The events of a watch, one JSON object a line; it ends after 30 s. */
  watchCertificateSigningRequest(name: string): Promise<Readable> {
    const query = new URLSearchParams({ watch: 'true', fieldSelector: `metadata.name=${name}` })
    return this.#processes.admin.open('GET', `${CSR_PATH}?${query.toString()}`)
  }

  stop(): Promise<void> {
    this.#anonymous.close()
    return this.#processes.stop()
  }

  async #createObjects({ approval = 'automatic' }: ControlPlaneOptions): Promise<void> {
    // The API server makes kube-public by itself, but a moment after it is ready.
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-public' } }
    await this.#create({ path: '/api/v1/namespaces', object: namespace })
    const { caPem, endpoint, version } = this
    await Promise.all(clusterObjects({ caPem, endpoint, version, approval }).map((each) => this.#create(each)))
  }

  async #create({ path, object }: ObjectToCreate): Promise<void> {
    const { status, body } = await this.admin('POST', path, object)
    if (status !== 201 && status !== 409) throw new Error(`POST ${path}: ${status} ${JSON.stringify(body)}`)
  }

  async #expect(status: number, method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await this.admin(method, path, body)
    if (answer.status !== status) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  /** Reads, changes and writes; again where somebody else wrote in between, as the bootstrap signer does. */
  async #update(readPath: string, writePath: string, change: (object: unknown) => unknown): Promise<void> {
    await this.#eventually(`${writePath} is written`, async () => {
      const { status, body } = await this.admin('PUT', writePath, change(await this.#expect(200, 'GET', readPath)))
      if (status !== 200 && status !== 409) throw new Error(`PUT ${writePath}: ${status} ${JSON.stringify(body)}`)
      return status === 200
    })
  }

  #decide(name: string, condition: { type: string; reason: string; message: string }): Promise<void> {
    return this.#update(csrPath(name), `${csrPath(name)}/approval`, (object) => {
      const csr = object as CertificateSigningRequest
      const conditions = [...(csr.status?.conditions ?? []), { ...condition, status: 'True' }]
      return { ...csr, status: { ...csr.status, conditions } }
    })
  }

  async #clusterInfo(): Promise<Record<string, string>> {
    const body = await this.#expect(200, 'GET', CLUSTER_INFO_PATH)
    return { ...(body as ConfigMap).data }
  }

  /**
   * Asks with an audience of its own, because the API server remembers a good token for 10 s for each set of audiences:
   * asked the plain way, every new token would live on that long after its deletion, used or not.
   */
  async #isKnown(token: string): Promise<boolean> {
    const body = await this.#expect(201, 'POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: [SERVICE_ACCOUNT_ISSUER, randomAlphanumeric(16)] },
    })
    return (body as TokenReview).status?.authenticated === true
  }

  async #authenticates(id: string, secret: string): Promise<boolean> {
    const headers = { authorization: `Bearer ${id}.${secret}` }
    const { status } = await this.#anonymous.send('GET', '/version', undefined, headers)
    return status !== 401
  }

  async #eventually(what: string, probe: () => Promise<boolean>): Promise<void> {
    const options = { deadlineMs: DEADLINE_MS, hopeless: this.#processes.died }
    await eventually(what, options, async () => ((await probe()) ? true : undefined))
  }
}

function csrPath(name: string): string {
  return `${CSR_PATH}/${encodeURIComponent(name)}`
}

function randomAlphanumeric(length: number): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'
  return Array.from({ length }, () => alphabet.charAt(randomInt(alphabet.length))).join('')
}
