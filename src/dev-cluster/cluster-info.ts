/** The ConfigMap kube-public/cluster-info: the kubeconfig that kubeadm publishes, and one signature for each signing token. */
import { randomUUID } from 'node:crypto'
import type { ConfigMap } from 'kubernetes-types/core/v1.d.ts'
import { type BootstrapTokens, detachedJws } from './bootstrap-tokens.ts'
import { timestamp } from './certificate-signing-requests.ts'

export type ClusterInfoData = Record<string, string>

const signatureKey = (tokenId: string): string => `jws-kubeconfig-${tokenId}`

/** One cluster of the empty name and no user, as `kubeadm init phase bootstrap-token` writes it. */
export const clusterInfoKubeconfig = (server: string, caPem: string): string =>
  `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: ${Buffer.from(caPem).toString('base64')}
    server: ${server}
  name: ""
contexts: null
current-context: ""
kind: Config
preferences: {}
users: null
`

export class ClusterInfo {
  readonly #uid = randomUUID()
  readonly #created: string
  readonly #nextResourceVersion: () => number
  #data: ClusterInfoData | undefined
  #resourceVersion: number

  constructor(kubeconfig: string, nowMs: number, nextResourceVersion: () => number) {
    this.#created = timestamp(nowMs)
    this.#nextResourceVersion = nextResourceVersion
    this.#resourceVersion = nextResourceVersion()
    this.#data = { kubeconfig }
  }

  /** undefined where it has been removed. */
  get data(): ClusterInfoData | undefined {
    return this.#data === undefined ? undefined : { ...this.#data }
  }

  set data(data: ClusterInfoData | undefined) {
    this.#data = data === undefined ? undefined : { ...data }
    this.#resourceVersion = this.#nextResourceVersion()
  }

  /** The bootstrap signer: every signature made anew, and none left of a token that does not sign. */
  sign(tokens: BootstrapTokens): void {
    const { data } = this
    if (data === undefined) return
    const kept = Object.entries(data).filter(([key]) => !key.startsWith(signatureKey('')))
    const signatures =
      data['kubeconfig'] === undefined
        ? []
        : tokens
            .signing()
            .map((token) => [signatureKey(token.id), detachedJws(data['kubeconfig'] ?? '', token)] as const)
    this.data = Object.fromEntries([...kept, ...signatures])
  }

  /** Removes the signatures of tokens that are gone and leaves the others as they are. */
  forget(tokenIds: readonly string[]): void {
    const keys = tokenIds.map(signatureKey)
    const { data } = this
    if (data === undefined || !keys.some((key) => key in data)) return
    this.data = Object.fromEntries(Object.entries(data).filter(([key]) => !keys.includes(key)))
  }

  configMap(): ConfigMap | undefined {
    const { data } = this
    if (data === undefined) return undefined
    return {
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: {
        name: 'cluster-info',
        namespace: 'kube-public',
        uid: this.#uid,
        resourceVersion: String(this.#resourceVersion),
        creationTimestamp: this.#created,
      },
      // Go's encoder sorts a map's keys.
      data: Object.fromEntries(Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1))),
    }
  }
}
