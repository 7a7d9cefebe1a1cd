/**
 * Who may do what: RBAC as `kubeadm init` leaves it, the Node authorizer, and the NodeRestriction rule for CSRs. Rules
 * are spelled out here, not configurable: the dev cluster plays one kind of cluster, honestly.
 */
import { type ApiStatusError, forbidden, forbiddenPath } from './api-status.ts'
import type { User } from './authentication.ts'
import { CertificateRequestError, parseCertificateRequest } from './certificate-request.ts'
import { GROUP, resourceName, RESOURCE, SIGNER } from './certificate-signing-requests.ts'
import type { RequestInfo } from './request-info.ts'

const NODE_PREFIX = 'system:node:'
const publicPaths = ['/healthz', '/livez', '/readyz', '/version']
const discoveryPaths = ['/api', '/apis']

/** Of a member of system:nodes: the node's name. */
const nodeNameOf = (user: User): string | undefined =>
  user.groups.includes('system:nodes') && user.name.startsWith(NODE_PREFIX)
    ? user.name.slice(NODE_PREFIX.length)
    : undefined

/** Throws the 403 that a kubeadm cluster answers. */
export function authorize(user: User, info: RequestInfo): void {
  if (user.groups.includes('system:masters')) return
  if (info.resource === undefined) {
    if (!mayReadPath(user, info)) throw forbiddenPath(user.name, info.verb, info.path)
    return
  }
  const decision = decide(user, info.verb, info.resource)
  if (decision === true) return
  const { group, namespace, resource, subresource, name } = info.resource
  const full = subresource === undefined ? resource : `${resource}/${subresource}`
  const scope = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`
  const why = `User "${user.name}" cannot ${info.verb} resource "${full}" in API group "${group}" ${scope}`
  throw forbidden({ group, resource, name }, decision === false ? why : `${why}: ${decision}`)
}

function mayReadPath(user: User, { verb, path }: RequestInfo): boolean {
  const isUnder = (root: string): boolean => path === root || path === `${root}/`
  if (verb !== 'get') return false
  return publicPaths.some(isUnder) || (user.groups.includes('system:authenticated') && discoveryPaths.some(isUnder))
}

/** true, false, or the Node authorizer's reason against it. */
function decide(user: User, verb: string, target: NonNullable<RequestInfo['resource']>): boolean | string {
  const { group, resource, name, subresource } = target
  const isPlain = subresource === undefined
  if (group === '' && resource === 'configmaps') return configMapDecision(user, verb, target)
  const nodeName = nodeNameOf(user)
  const isBootstrapper = user.groups.includes('system:bootstrappers:kubeadm:default-node-token')
  if (group === GROUP && resource === RESOURCE && isPlain)
    return (nodeName !== undefined || isBootstrapper) && ['create', 'get', 'list', 'watch'].includes(verb)
  if (group === '' && resource === 'nodes' && isPlain) {
    if (nodeName !== undefined) return nodeDecision(nodeName, verb, name)
    return isBootstrapper && verb === 'get'
  }
  return false
}

/** kubeadm:bootstrap-signer-clusterinfo binds the user system:anonymous alone: a token on this path earns a 403. */
function configMapDecision(user: User, verb: string, target: NonNullable<RequestInfo['resource']>): boolean | string {
  const isClusterInfo = target.namespace === 'kube-public' && target.name === 'cluster-info'
  if (user.name === 'system:anonymous') return isClusterInfo && verb === 'get' && target.subresource === undefined
  const nodeName = nodeNameOf(user)
  if (nodeName === undefined || verb !== 'get') return false
  return `no relationship found between node '${nodeName}' and this object`
}

function nodeDecision(nodeName: string, verb: string, asked: string | undefined): boolean | string {
  if (['create', 'update', 'patch'].includes(verb)) return true
  if (!['get', 'list', 'watch'].includes(verb)) return false
  if (asked === nodeName) return true
  return asked === undefined
    ? `node '${nodeName}' cannot read all nodes, only its own Node object`
    : `node '${nodeName}' cannot read '${asked}', only its own Node object`
}

/** The NodeRestriction admission plugin, before validation: a node may ask the kubelet signers for its own CN only. */
export function admitCertificateSigningRequest(
  user: User,
  csr: { name: string; signerName: string; requestPem: Uint8Array },
): ApiStatusError | undefined {
  const nodeName = nodeNameOf(user)
  const isKubeletSigner = csr.signerName === SIGNER.kubeletClient || csr.signerName === SIGNER.kubeletServing
  if (nodeName === undefined || !isKubeletSigner) return undefined
  try {
    if (parseCertificateRequest(csr.requestPem).commonName === user.name) return undefined
    return forbidden(resourceName(csr.name), `can only create a node CSR with CN=${NODE_PREFIX}${nodeName}`)
  } catch (error) {
    if (!(error instanceof CertificateRequestError)) throw error
    return forbidden(resourceName(csr.name), `unable to parse csr: ${error.message}`)
  }
}
