/**
 * Whether the request under way still asks for what is wanted today. One that does not is followed to its end all the same
 * (docs/adr/0009): this says what sets it apart, and decides nothing.
 */
import type { JoinConfiguration } from '../config/index.ts'
import { certificateSigningRequestName } from '../pki/certificate-signing-request.ts'
import { keyAlgorithmOf, subjectPublicKeyInfo } from '../pki/private-key.ts'
import type { PendingRequest } from '../store/pending-request.ts'
import { expirationSeconds, nodeSubject } from './desired.ts'
import type { Outdated } from './observed.ts'
import { suitsNames, type ServingNames } from './serving-names.ts'

/** Undefined where it asks for just that. `wantedNames`: of a server's certificate. */
export function outdatedBy(
  pending: PendingRequest,
  configuration: JoinConfiguration,
  wantedNames: ServingNames | undefined,
): Outdated | undefined {
  const { key, usages, names, name } = pending
  const subject = nodeSubject(configuration)
  const spki = subjectPublicKeyInfo(key)
  if (certificateSigningRequestName({ spki, subject, usages, names }) !== name)
    return { isUseless: true, why: `it is not for the node ${configuration.node.name}` }
  const isSuited =
    wantedNames === undefined ? names === undefined : names !== undefined && suitsNames(names, wantedNames)
  if (!isSuited) return { isUseless: true, why: 'it is not for the names and addresses that are wanted now' }
  const { keyAlgorithm, durationMs } = configuration.certificate
  const algorithm = keyAlgorithmOf(key)
  if (algorithm !== keyAlgorithm)
    return {
      isUseless: false,
      why: `its key is ${algorithm ?? 'of no known kind'}, and join.yaml wants ${keyAlgorithm}`,
    }
  const wanted = expirationSeconds(durationMs)
  return pending.expirationSeconds === wanted
    ? undefined
    : {
        isUseless: false,
        why: `it asks for ${lifetime(pending.expirationSeconds)}, and join.yaml for ${lifetime(wanted)}`,
      }
}

const lifetime = (seconds: number | undefined): string =>
  seconds === undefined ? 'the signer’s own lifetime' : `a lifetime of ${seconds} s`
