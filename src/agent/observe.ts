/** Looks at the disk and says what is there, judged against today's configuration. It changes nothing. */
import { basename, join } from 'node:path'
import type { JoinConfiguration } from '../config/index.ts'
import { violationsOf } from '../findings/policy.ts'
import { tradeOffs } from '../findings/trade-offs.ts'
import type { Cluster } from '../kube/cluster.ts'
import { firstApproval } from '../kube/certificate-signing-request.ts'
import { isOwnKubeconfig } from '../kube/kubelet-kubeconfig.ts'
import { rotatesCertificates } from '../kube/kubelet-configuration.ts'
import type { Files } from '../lib/ports.ts'
import { readText } from '../lib/text-file.ts'
import { certificateSigningRequestName } from '../pki/certificate-signing-request.ts'
import { keyAlgorithmOf, subjectPublicKeyInfo } from '../pki/private-key.ts'
import { askedRenewalPath, readAskedRenewal } from '../store/asked-renewal.ts'
import {
  currentPairPath,
  readCurrentPair,
  readDatedPairs,
  staleFiles,
  type CertificatePair,
} from '../store/certificate-pair.ts'
import { clusterRecordPath, readClusterRecord, type ClusterRecord } from '../store/cluster-record.ts'
import { temporaryPath } from '../store/durable-file.ts'
import { readHookRecord } from '../store/hook-record.ts'
import { readKeyLedger } from '../store/key-ledger.ts'
import {
  pendingRequestPath,
  readPendingRequest,
  readRefusal,
  refusalPath,
  type PendingRequest,
  type Refusal,
} from '../store/pending-request.ts'
import { CLIENT, pairPlace } from './certificate-kind.ts'
import { expirationSeconds, nodeSubject } from './desired.ts'
import { configurationDigest, discoveryDigest } from './digests.ts'
import { discoveryInputsDigest } from './discovery-inputs.ts'
import { exposures } from './exposure.ts'
import type { Memory, Observed, SeenAuthentication, SeenIdentity, SeenTrust } from './observed.ts'
import { dueHooks } from './hooks.ts'
import type { Oddity } from './oddities.ts'
import { mismatchOf } from './pair-mismatch.ts'
import { unpublished } from './publication.ts'
import { rotationDeadline } from './rotation.ts'

/** The kubelet draws its deadline from 0.7 to 0.9 of the lifetime; a little later it has had its time. */
const KUBELET_RENEWS_BY = 0.92

/** `configurationPath` is that of join.yaml. */
export async function observe(
  files: Files,
  configuration: JoinConfiguration,
  configurationPath: string,
  memory: Memory,
): Promise<Observed> {
  const { state } = configuration.files
  const trust = await seeTrust(files, configuration, memory)
  const cluster = trust.kind === 'unknown' ? undefined : trust.record.cluster
  const recorded = await readRefusal(files, state)
  const kept = await readPendingRequest(files, state)
  const refusal = stands(recorded, kept, configuration, memory) ? recorded : undefined
  const askedRenewal = await readAskedRenewal(files, state)
  const { identity, oddity } = await seeIdentity(files, configuration, cluster, askedRenewal, memory)
  const spent = isSpent(kept, identity, refusal === undefined ? recorded : undefined)
  const wanted = isWanted(kept, configuration) ? kept : undefined
  const pending = spent ? undefined : wanted
  const joined = await hasJoined(files, configuration, identity)
  const publication = cluster === undefined ? [] : await unpublished(files, configuration, cluster)
  const request = pending !== undefined && memory.request?.name === pending.name ? memory.request : undefined
  const record = trust.kind === 'unknown' ? undefined : trust.record
  const findings = tradeOffs({
    configuration,
    exposures: await exposures(files, configuration, configurationPath),
    cluster,
    approval: firstApproval(request) ?? record?.approval,
    acceptedToken: memory.acceptedToken,
  })
  const hooks =
    identity.kind === 'ours'
      ? dueHooks(configuration.hooks, await readHookRecord(files, state), identity.pair.certificate.fingerprint)
      : undefined
  const leftOver = await seeLeftOver(files, configuration, identity, {
    pending: spent && identity.kind === 'ours',
    refusal: recorded !== undefined && (kept === undefined || spent),
    askedRenewal,
  })
  return {
    trust,
    rediscoveryFailed: memory.rediscoveryFailed,
    identity,
    published: cluster !== undefined && publication.length === 0,
    hooks,
    failedHooks: hooks?.certificate === memory.failedHooks?.certificate ? memory.failedHooks : undefined,
    authentication: seenAuthentication(identity, memory),
    bundle: memory.bundle,
    nextRecheckMs: memory.nextRecheckMs,
    failedRecheck: memory.failedRecheck,
    pending,
    request,
    refusal,
    findings,
    violations: violationsOf(findings, configuration.policy.require),
    hasJoined: joined,
    mayJoin: configuration.recovery.rejoin !== 'never' || !joined,
    keysMadeAtMs: await seeKeysMade(files, configuration, memory),
    leftOver,
    oddities: [
      ...(oddity === undefined ? [] : [oddity]),
      ...publication.filter(({ isThere }) => isThere).map((file) => file.oddity),
      ...(leftOver.length > 0 ? (['left-over'] as const) : []),
      ...(kept !== undefined && wanted === undefined ? (['pending-request-outdated'] as const) : []),
      ...(await unreadable(files, state, { trust: trust.kind === 'unknown', kept, recorded })),
      ...(await seeKubelet(files, configuration)),
    ],
  }
}

/** Files of the agent's own that are there and say nothing. */
async function unreadable(
  files: Files,
  state: string,
  read: { trust: boolean; kept: PendingRequest | undefined; recorded: Refusal | undefined },
): Promise<Oddity[]> {
  const suspects: [boolean, string, Oddity][] = [
    [read.trust, clusterRecordPath(state), 'cluster-record-unreadable'],
    [read.kept === undefined, pendingRequestPath(state), 'pending-request-unreadable'],
    [read.recorded === undefined, refusalPath(state), 'refusal-unreadable'],
  ]
  const found: Oddity[] = []
  for (const [isMissing, path, oddity] of suspects)
    if (isMissing && (await files.stat(path)) !== undefined) found.push(oddity)
  return found
}

/** Two that rotate one certificate get in each other's way sooner or later; whose task it is, is the operator's to say. */
async function seeKubelet(files: Files, { certificate, kubelet }: JoinConfiguration): Promise<Oddity[]> {
  if (certificate.rotation.owner === 'kubelet') return []
  const text = await readText(files, kubelet.config).catch(() => undefined)
  return text !== undefined && rotatesCertificates(text) ? ['kubelet-rotates-too'] : []
}

/** A node that has a pair, whatever has become of it, or the kubeconfig that comes after one. */
async function hasJoined(files: Files, configuration: JoinConfiguration, identity: SeenIdentity): Promise<boolean> {
  if (identity.kind !== 'absent') return true
  return isOwnKubeconfig((await readText(files, configuration.files.kubeconfig)) ?? '')
}

async function seeKeysMade(files: Files, configuration: JoinConfiguration, memory: Memory): Promise<readonly number[]> {
  const ledger = await readKeyLedger(files, configuration.files.state)
  const counts = !memory.retryRefused && ledger?.configurationDigest === configurationDigest(configuration)
  return counts ? ledger.madeAtMs : []
}

/** What a crash leaves: temporary files, a key whose certificate is installed, a refusal without its key, a wish fulfilled, old pairs. */
async function seeLeftOver(
  files: Files,
  configuration: JoinConfiguration,
  identity: SeenIdentity,
  own: { pending: boolean; refusal: boolean; askedRenewal: string | undefined },
): Promise<string[]> {
  const { state, ca, kubeconfig } = configuration.files
  const place = pairPlace(configuration.files, CLIENT)
  if (identity.kind !== 'ours' || identity.misplaced) return []
  const temporary = new Set([clusterRecordPath(state), currentPairPath(place), ca, kubeconfig].map(temporaryPath))
  const found: string[] = []
  for (const path of temporary) if ((await files.stat(path)) !== undefined) found.push(path)
  if (own.pending) found.push(pendingRequestPath(state))
  if (own.refusal) found.push(refusalPath(state))
  if (own.askedRenewal !== undefined && own.askedRenewal !== identity.pair.certificate.fingerprint)
    found.push(askedRenewalPath(state))
  const target = await files.readLink(currentPairPath(place))
  // Where the kubelet renews, its files are its own.
  if (configuration.certificate.rotation.owner === 'agent' && target !== undefined)
    found.push(...(await staleFiles(files, place, join(place.directory, basename(target)))))
  return found
}

async function seeTrust(files: Files, configuration: JoinConfiguration, memory: Memory): Promise<SeenTrust> {
  const record = await readClusterRecord(files, configuration.files.state)
  if (record === undefined) return { kind: 'unknown' }
  const isCurrent =
    !memory.doubtsCluster &&
    record.configurationDigest === discoveryDigest(configuration) &&
    (await hasSameInputs(files, configuration, record))
  return { kind: isCurrent ? 'verified' : 'outdated', record }
}

async function hasSameInputs(files: Files, configuration: JoinConfiguration, record: ClusterRecord): Promise<boolean> {
  const inputsDigest = await discoveryInputsDigest(files, configuration)
  return inputsDigest === undefined || inputsDigest === record.inputsDigest
}

async function seeIdentity(
  files: Files,
  configuration: JoinConfiguration,
  cluster: Cluster | undefined,
  askedRenewal: string | undefined,
  memory: Memory,
): Promise<{ identity: SeenIdentity; oddity?: Oddity }> {
  const place = pairPlace(configuration.files, CLIENT)
  const stored = await readCurrentPair(files, place)
  if (stored.kind === 'absent') return { identity: { kind: 'absent' } }
  // Whose the pair is cannot be told before the cluster is verified.
  if (cluster === undefined) return { identity: { kind: 'unusable' } }
  const owner = configuration.certificate.rotation.owner
  const oddity = stored.kind === 'broken' ? stored.fault : mismatchOf(stored.pair, configuration, cluster)
  if (stored.kind === 'pair' && oddity === undefined) {
    const misplacement = owner === 'agent' ? stored.misplacement : undefined
    const identity = oursFrom(stored.pair, configuration, {
      misplaced: misplacement !== undefined,
      askedRenewal,
      memory,
    })
    return misplacement === undefined ? { identity } : { identity, oddity: misplacement }
  }
  const older = (await readDatedPairs(files, place)).filter(
    (pair) => mismatchOf(pair, configuration, cluster) === undefined,
  )
  const [newest] = older.toSorted((one, other) => other.certificate.notAfterMs - one.certificate.notAfterMs)
  const identity =
    newest === undefined
      ? ({ kind: 'unusable' } as const)
      : oursFrom(newest, configuration, { misplaced: true, askedRenewal, memory })
  return oddity === undefined ? { identity } : { identity, oddity }
}

function oursFrom(
  pair: CertificatePair,
  configuration: JoinConfiguration,
  { misplaced, askedRenewal, memory }: { misplaced: boolean; askedRenewal: string | undefined; memory: Memory },
): SeenIdentity {
  const { owner, window } = configuration.certificate.rotation
  const { fingerprint, notBeforeMs, notAfterMs } = pair.certificate
  const known = memory.authentication
  const isRefused = known?.fingerprint === fingerprint && known.kind === 'refused' && known.isConfirmed
  // Where the kubelet renews, the agent takes part again only when the certificate has lapsed.
  if (owner === 'kubelet') {
    const overdueAtMs = notBeforeMs + KUBELET_RENEWS_BY * (notAfterMs - notBeforeMs)
    return { kind: 'ours', pair, misplaced, isRefused, rotateAtMs: notAfterMs, overdueAtMs }
  }
  // What the operator wants renewed has been due from its first moment on, whatever the clock says by now.
  const rotateAtMs = askedRenewal === fingerprint ? notBeforeMs : rotationDeadline(pair, window)
  return { kind: 'ours', pair, misplaced, isRefused, rotateAtMs, overdueAtMs: Infinity }
}

function seenAuthentication(identity: SeenIdentity, { authentication }: Memory): SeenAuthentication {
  const fingerprint = identity.kind === 'ours' ? identity.pair.certificate.fingerprint : undefined
  return authentication === undefined || authentication.fingerprint !== fingerprint
    ? { kind: 'unasked' }
    : authentication
}

/** A request under way counts only while it asks for what today's configuration wants. */
function isWanted(pending: PendingRequest | undefined, configuration: JoinConfiguration): boolean {
  if (pending === undefined) return false
  const { keyAlgorithm, durationMs } = configuration.certificate
  const spki = subjectPublicKeyInfo(pending.key)
  const name = certificateSigningRequestName({ spki, subject: nodeSubject(configuration), usages: pending.usages })
  return (
    name === pending.name &&
    keyAlgorithmOf(pending.key) === keyAlgorithm &&
    pending.expirationSeconds === expirationSeconds(durationMs)
  )
}

/** A key is for one certificate: where its own is installed, or was refused and that no longer stands, another one is made. */
function isSpent(pending: PendingRequest | undefined, identity: SeenIdentity, overcome: Refusal | undefined): boolean {
  if (pending === undefined) return false
  return overcome?.name === pending.name || (identity.kind === 'ours' && identity.pair.key.equals(pending.key))
}

/** A refusal is about one key: it stands until another has taken that one's place, as long as nothing else has changed. */
function stands(
  refusal: Refusal | undefined,
  kept: PendingRequest | undefined,
  configuration: JoinConfiguration,
  memory: Memory,
): boolean {
  if (refusal === undefined || memory.retryRefused) return false
  if (refusal.configurationDigest !== configurationDigest(configuration)) return false
  return kept === undefined || kept.name === refusal.name
}
