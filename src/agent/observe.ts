/** Looks at the disk and says what is there, judged against today's configuration. It changes nothing. */
import { join } from 'node:path'
import type { JoinConfiguration } from '../config/index.ts'
import { violationsOf } from '../findings/policy.ts'
import { tradeOffs } from '../findings/trade-offs.ts'
import { firstApproval } from '../kube/certificate-signing-request.ts'
import { kubeletFacts, type KubeletFacts } from '../kube/kubelet-configuration.ts'
import type { Files, Network } from '../lib/ports.ts'
import { readText } from '../lib/text-file.ts'
import { clusterRecordPath, readClusterRecord, type ClusterRecord } from '../store/cluster-record.ts'
import { temporaryPath } from '../store/durable-file.ts'
import { currentPairPath } from '../store/certificate-pair.ts'
import { CLIENT, pairPlace, SERVING } from './certificate-kind.ts'
import { discoveryDigest } from './digests.ts'
import { discoveryInputsDigest } from './discovery-inputs.ts'
import { exposures } from './exposure.ts'
import { hasJoinedByFiles } from './joined-before.ts'
import type { Memory, Observed, SeenAuthentication, SeenIdentity, SeenServing, SeenTrust } from './observed.ts'
import { localKubeconfig, type LocalKubeconfig } from './local-kubeconfig.ts'
import { seePublication } from './publication.ts'
import { seeCertificate, type Look } from './see-certificate.ts'
import { servingNames, type ServingNames } from './serving-names.ts'

/** `configurationPath` is that of join.yaml. */
export async function observe(
  files: Files,
  network: Network,
  configuration: JoinConfiguration,
  configurationPath: string,
  memory: Memory,
): Promise<Observed> {
  const local = await localKubeconfig(files, configuration)
  const trust = await seeTrust(files, configuration, memory, local)
  const record = trust.kind === 'unknown' ? undefined : trust.record
  const cluster = record?.cluster
  const look = { files, configuration, cluster }
  const client = await seeCertificate({ ...look, kind: CLIENT, memory, names: undefined, ...answersOf(memory) })
  const names = await servingNames(network, configuration, cluster)
  const kubelet = await readKubelet(files, configuration)
  const serving =
    names &&
    (await seeServing(
      { ...look, kind: SERVING, memory: memory.serving, names, ...answersOf(undefined) },
      names,
      kubelet,
    ))
  const joined = record?.hasJoined === true || (await hasJoinedByFiles(files, configuration, client.identity))
  const publication = cluster && (await seePublication(files, configuration, cluster))
  const published = publication?.fault === undefined && publication?.differing.length === 0
  const findings = tradeOffs({
    configuration,
    exposures: [
      ...(await exposures(files, configuration, configurationPath, local)),
      ...client.unprotected,
      ...(serving?.unprotected ?? []),
    ],
    cluster,
    approval: firstApproval(client.request) ?? record?.approval,
    acceptedToken: memory.acceptedToken,
  })
  const leftOver = [...(await seeTemporary(files, configuration, client.identity)), ...client.leftOver]
  return {
    ...client,
    serving,
    trust,
    published,
    publicationFault: publication?.fault,
    failedPublish: published && record?.hasJoined === true ? undefined : memory.failedPublish,
    ...seenInMemory(client.identity, memory),
    findings,
    violations: violationsOf(findings, configuration.policy.require),
    hasJoined: joined,
    mayJoin: configuration.recovery.rejoin !== 'never' || !joined,
    leftOver,
    oddities: [
      ...client.oddities,
      ...(publication?.differing ?? []).filter(({ isThere }) => isThere).map((file) => file.oddity),
      ...(leftOver.length > 0 ? (['left-over'] as const) : []),
      ...(record === undefined && (await isThere(files, clusterRecordPath(configuration.files.state)))
        ? (['cluster-record-unreadable'] as const)
        : []),
      // Two that rotate one certificate get in each other's way sooner or later; whose task it is, is the operator's to say.
      ...(kubelet?.rotatesCertificates === true && configuration.certificate.rotation.owner === 'agent'
        ? (['kubelet-rotates-too'] as const)
        : []),
    ],
  }
}

type InMemory = Pick<Observed, 'rediscoveryFailed' | 'authentication' | 'bundle' | 'nextRecheckMs' | 'failedRecheck'>

const seenInMemory = (identity: SeenIdentity, memory: Memory): InMemory => ({
  rediscoveryFailed: memory.rediscoveryFailed,
  authentication: seenAuthentication(identity, memory),
  bundle: memory.bundle,
  nextRecheckMs: memory.nextRecheckMs,
  failedRecheck: memory.failedRecheck,
})

/** What was seen, with what has been heard since, in the middle of an action. */
export function withMemory(seen: Observed, memory: Memory): Observed {
  const heard = seenInMemory(seen.identity, memory)
  return {
    ...seen,
    ...heard,
    isUntried: seen.isUntried && heard.authentication.kind !== 'accepted',
    request: memory.request,
    serving: seen.serving && { ...seen.serving, request: memory.serving.request },
  }
}

const isThere = async (files: Files, path: string): Promise<boolean> => (await files.stat(path)) !== undefined

/** Which certificate the API server has accepted, and which counts as lost because it was refused twice. */
const answersOf = (memory: Memory | undefined): Pick<Look, 'refusedFingerprint' | 'acceptedFingerprint'> => {
  const authentication = memory?.authentication
  const isRefused = authentication?.kind === 'refused' && authentication.isConfirmed
  return {
    refusedFingerprint: isRefused ? authentication.fingerprint : undefined,
    acceptedFingerprint: authentication?.kind === 'accepted' ? authentication.fingerprint : undefined,
  }
}

function seenAuthentication(identity: SeenIdentity, { authentication }: Memory): SeenAuthentication {
  const fingerprint = identity.kind === 'ours' ? identity.pair.certificate.fingerprint : undefined
  return authentication === undefined || authentication.fingerprint !== fingerprint
    ? { kind: 'unasked' }
    : authentication
}

async function seeServing(look: Look, names: ServingNames, kubelet: KubeletFacts | undefined): Promise<SeenServing> {
  const seen = await seeCertificate(look)
  const place = currentPairPath(pairPlace(look.configuration.files, SERVING))
  const oddities = [...seen.oddities, ...(seen.leftOver.length > 0 ? (['left-over'] as const) : [])]
  if (kubelet?.bootstrapsServing === true) oddities.push('kubelet-asks-for-serving-too')
  else if (kubelet !== undefined && (kubelet.tlsCertFile !== place || kubelet.tlsPrivateKeyFile !== place))
    oddities.push('kubelet-serves-another')
  return { ...seen, oddities, names }
}

async function readKubelet(files: Files, { kubelet }: JoinConfiguration): Promise<KubeletFacts | undefined> {
  const text = await readText(files, kubelet.config).catch(() => undefined)
  return text === undefined ? undefined : kubeletFacts(text)
}

/** What a write that was broken off leaves where the kubelet looks. */
async function seeTemporary(
  files: Files,
  { files: configured }: JoinConfiguration,
  identity: SeenIdentity,
): Promise<string[]> {
  if (identity.kind !== 'ours' || identity.misplaced) return []
  const { certificates, ca, kubeconfig } = configured
  const written = [join(certificates, 'any'), ca, kubeconfig]
  const found: string[] = []
  for (const path of new Set(written.map(temporaryPath))) if (await isThere(files, path)) found.push(path)
  return found
}

async function seeTrust(
  files: Files,
  configuration: JoinConfiguration,
  memory: Memory,
  local: LocalKubeconfig | undefined,
): Promise<SeenTrust> {
  const record = await readClusterRecord(files, configuration.files.state)
  if (record === undefined) return { kind: 'unknown' }
  const isCurrent =
    !memory.doubtsCluster &&
    record.configurationDigest === discoveryDigest(configuration) &&
    isSame(await discoveryInputsDigest(files, configuration, local), record)
  return { kind: isCurrent ? 'verified' : 'outdated', record }
}

const isSame = (inputsDigest: string | undefined, record: ClusterRecord): boolean =>
  inputsDigest === undefined || inputsDigest === record.inputsDigest
