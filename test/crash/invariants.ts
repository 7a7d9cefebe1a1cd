/** What holds of a node at every instant, whatever it dies of; judged without the agent's own parsers. */
import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { CertificateSigningRequest } from '../../src/dev-cluster/certificate-signing-requests.ts'
import { parseCertificateRequest } from '../../src/dev-cluster/certificate-request.ts'
import { JOIN_YAML, type SimulatedAgent } from '../harness/simulation/agent.ts'
import type { SimulatedDisk } from '../harness/simulation/disk.ts'
import { NODE, PATHS } from '../harness/simulation/world.ts'
import { checkFile, checkLines } from './secrets.ts'

/** Judging a pair takes a while, and the same one is seen at thousands of instants. */
const judged = new Map<string, boolean>()

function isPair(text: string): boolean {
  const known = judged.get(text)
  if (known !== undefined) return known
  const isGood = isMatchingPair(text)
  judged.set(text, isGood)
  return isGood
}

function isMatchingPair(text: string): boolean {
  try {
    return new X509Certificate(text).checkPrivateKey(createPrivateKey(text.slice(text.indexOf('-----BEGIN PRIVATE'))))
  } catch {
    return false
  }
}

/** Where the kubelet looks for it. */
export const hasLoadablePair = (disk: SimulatedDisk): boolean => isPair(disk.text(PATHS.current) ?? '')

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

const fingerprintsIn = (pem: string): string[] =>
  (pem.match(CERTIFICATE) ?? []).map((one) => new X509Certificate(one).fingerprint256).sort()

/** Whether ca.crt vouches for who holds a certificate of `caPem`. */
export const hasAuthority = (caFile: string | undefined, caPem: string): boolean =>
  caFile?.includes(caPem.trim()) ?? false

/** ca.crt is what the cluster publishes: no CA more, and none less. */
export function checkBundle(caFile: string | undefined, publishedCaPem: string): void {
  assert.deepEqual(fingerprintsIn(caFile ?? ''), fingerprintsIn(publishedCaPem), 'ca.crt is another bundle')
}

const PLACES = { joinYaml: JOIN_YAML, state: PATHS.state, certificates: PATHS.certificates }

/** Files with a key in them that others may read. */
export function exposedKeys(disk: SimulatedDisk): ReadonlySet<string> {
  const found = new Set<string>()
  for (const [path, node] of disk.leaves())
    if (node.kind === 'file' && (node.mode & 0o077) !== 0 && Buffer.from(node.content).includes('PRIVATE KEY'))
      found.add(path)
  return found
}

/** Keys stand in their two places, the token in join.yaml, and both can be read by their owner alone; `exposed` by others, too, as yet. */
export function checkSecrets(disk: SimulatedDisk, token: string, exposed: ReadonlySet<string> = new Set()): void {
  for (const [path, node] of disk.leaves()) {
    if (node.kind === 'link') continue
    const mode = exposed.has(path) ? 0o600 : node.mode
    checkFile({ path, mode, content: Buffer.from(node.content) }, PLACES, { token })
  }
}

/** No line of the log holds a secret. */
export const checkLog = ({ lines }: SimulatedAgent, token: string): void => {
  checkLines(lines, { token })
}

const keyOf = ({ spec }: CertificateSigningRequest): string =>
  Buffer.from(parseCertificateRequest(Buffer.from(spec.request, 'base64')).subjectPublicKeyInfo).toString('hex')

const isLive = ({ status }: CertificateSigningRequest): boolean =>
  status.certificate === undefined && !(status.conditions ?? []).some(({ type }) => type !== 'Approved')

/** The names of those that have no end yet. */
export const openRequests = (requests: readonly CertificateSigningRequest[]): string[] =>
  requests.filter(isLive).map(({ metadata }) => metadata.name)

function checkOneRequestForEachKey(requests: readonly CertificateSigningRequest[]): void {
  const keys = requests.map(keyOf)
  assert.equal(new Set(keys).size, keys.length, 'two requests are for one key')
}

/** And one at most for each certificate is still open, beside those whose key was taken away from the agent, in `lost`: it knows of none of them. */
export function checkRequests(
  requests: readonly CertificateSigningRequest[],
  lost: ReadonlySet<string> = new Set(),
): void {
  checkOneRequestForEachKey(requests)
  for (const [signerName, ofSigner] of Map.groupBy(requests, ({ spec }) => spec.signerName)) {
    const open = openRequests(ofSigner).filter((name) => !lost.has(name))
    assert.ok(open.length <= 1, `${open.length} requests to ${signerName} are open`)
  }
}

const OF_EVERY_NODE = new Set<string>([
  JOIN_YAML,
  PATHS.kubeconfig,
  PATHS.ca,
  PATHS.current,
  ...['cluster.json', 'keys-made.json', 'hooks.json'].map((name) => `${PATHS.state}/${name}`),
])
const MOST_DATED = 2

/** What a node that is well has on its disk, and nothing beside it. */
export function checkNothingLeftOver(disk: SimulatedDisk, ...alsoKept: (RegExp | undefined)[]): void {
  let dated = 0
  for (const [path] of disk.leaves()) {
    const isDated = path.startsWith(`${PATHS.certificates}/kubelet-client-2`)
    if (isDated) dated += 1
    assert.ok(
      isDated || OF_EVERY_NODE.has(path) || alsoKept.some((pattern) => pattern?.test(path)),
      `${path} is left over`,
    )
  }
  assert.ok(dated >= 1 && dated <= MOST_DATED, `${dated} dated pairs`)
}

/** Whether there is a pair, and it is one of the cluster with this CA. */
export const isSignedBy = (disk: SimulatedDisk, caPem: string): boolean =>
  hasLoadablePair(disk) &&
  new X509Certificate(disk.text(PATHS.current) ?? '').verify(new X509Certificate(caPem).publicKey)

/** The pair is this node's, by this cluster's CA, and valid. */
export function checkIdentity(disk: SimulatedDisk, caPem: string, nowMs: number): void {
  assert.ok(hasLoadablePair(disk), 'there is no loadable pair')
  const certificate = new X509Certificate(disk.text(PATHS.current) ?? '')
  assert.equal(certificate.subject, `O=system:nodes\nCN=system:node:${NODE}`)
  assert.ok(certificate.verify(new X509Certificate(caPem).publicKey), 'the CA has not signed it')
  assert.ok(
    certificate.validFromDate.getTime() <= nowMs && nowMs < certificate.validToDate.getTime(),
    'it is not valid',
  )
}
