/** Makes a key pair and the request for it, and keeps both in one file before anybody hears of them. */
import { usagesFor } from '../../kube/certificate-signing-request.ts'
import { wantsKeyEncipherment } from '../../kube/server-version.ts'
import {
  certificateSigningRequestName,
  createCertificateSigningRequest,
} from '../../pki/certificate-signing-request.ts'
import { generatePrivateKey, keyFingerprint, subjectPublicKeyInfo } from '../../pki/private-key.ts'
import type { SubjectNames } from '../../pki/subject-names.ts'
import { readKeyLedger, writeKeyLedger } from '../../store/key-ledger.ts'
import { writePendingRequest } from '../../store/pending-request.ts'
import { stateDirectory } from '../certificate-kind.ts'
import { apiServer, type ActionContext } from '../context.ts'
import { isScheduled, type Requester } from '../decide.ts'
import { expirationSeconds, nodeSubject } from '../desired.ts'
import { configurationDigest } from '../digests.ts'
import { countingTimes, timesOf } from '../rejoin.ts'

export async function makeKey(context: ActionContext, requester: Requester, why: string): Promise<void> {
  const { ports, configuration, kind, certificateMemory, signal } = context
  const { keyAlgorithm, durationMs } = configuration.certificate
  // Before a key is made: without a credential there would be nobody to send its request.
  const api = await apiServer(context, requester)
  const isRsa = keyAlgorithm.startsWith('RSA')
  const usages = usagesFor(kind.purpose.usage, isRsa || (await wantsKeyEncipherment(ports.client, api, signal)))
  const key = await generatePrivateKey(keyAlgorithm)
  const spki = subjectPublicKeyInfo(key)
  const subject = nodeSubject(configuration)
  const names = wantedNames(context)
  const name = certificateSigningRequestName({ spki, subject, usages, names })
  const request = createCertificateSigningRequest(key, subject, names)

  // In one step: a refusal of the key before goes on standing until another key is there.
  await writePendingRequest(ports.files, stateDirectory(configuration.files, kind), {
    key,
    request,
    name,
    usages,
    expirationSeconds: expirationSeconds(durationMs),
    names,
    unsentSince: undefined,
  })
  if (isCounted(context, requester)) await countKey(context)
  certificateMemory.request = undefined
  certificateMemory.unsentSinceMs = -Infinity
  certificateMemory.retryRefused = false
  ports.log.info('a new key is made', {
    certificate: kind.name,
    algorithm: keyAlgorithm,
    fingerprint: keyFingerprint(spki),
    request: name,
    why,
    ...(names === undefined ? {} : { names: [...names.dnsNames, ...names.ipAddresses].join(', ') }),
  })
}

const wantedNames = ({ kind, seen }: ActionContext): SubjectNames | undefined =>
  kind.name === 'serving' ? seen.serving?.names : undefined

/** Against the budget: every key but that of a renewal whose time has come. */
const isCounted = ({ kind, seen, ports }: ActionContext, requester: Requester): boolean =>
  requester === 'bootstrap' ||
  (kind.name === 'serving' && seen.serving !== undefined && !isScheduled(seen.serving, ports.clock.nowMs()))

/** After the key is kept: a crash between the two counts too little rather than too much. */
async function countKey({ ports, configuration, kind }: ActionContext): Promise<void> {
  const state = stateDirectory(configuration.files, kind)
  const nowMs = ports.clock.nowMs()
  const digest = configurationDigest(configuration)
  const { keysMadeAtMs, keysAssumedAtMs } = timesOf(await readKeyLedger(ports.files, state), digest)
  await writeKeyLedger(ports.files, state, {
    madeAtMs: [...countingTimes(keysMadeAtMs, nowMs), nowMs],
    assumedAtMs: countingTimes(keysAssumedAtMs, nowMs),
    configurationDigest: digest,
  })
}
