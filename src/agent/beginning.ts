/** What has been seen and is remembered when the loop begins, and what is forgotten when it begins anew. */
import { FIRST_QUESTION_MS } from './token-question.ts'
import type { CertificateMemory, Memory, Observed } from './observed.ts'

export const NOTHING_SEEN: Observed = {
  trust: { kind: 'unknown' },
  serving: undefined,
  rediscoveryFailed: false,
  identity: { kind: 'absent' },
  isUntried: false,
  published: false,
  publicationFault: undefined,
  failedPublish: undefined,
  hooks: undefined,
  failedHooks: undefined,
  authentication: { kind: 'unasked' },
  bundle: undefined,
  nextRecheckMs: undefined,
  failedRecheck: undefined,
  pending: undefined,
  outdated: undefined,
  request: undefined,
  refusal: undefined,
  lastRefusal: undefined,
  findings: [],
  violations: [],
  hasJoined: false,
  mayJoin: true,
  keysMadeAtMs: [],
  keysAssumedAtMs: [],
  exposed: [],
  unprotected: [],
  failedProtection: undefined,
  failedRestore: undefined,
  leftOver: [],
  oddities: [],
}

const nothingRemembered = (monotonicMs: number): CertificateMemory => ({
  request: undefined,
  // What the process before it has sent, nobody knows.
  unsentSinceMs: monotonicMs,
  retryRefused: false,
  installedFingerprint: undefined,
  failedHooks: undefined,
  hookRound: undefined,
  unprotected: new Set(),
  failedProtection: undefined,
  failedRestore: undefined,
})

/** Nothing is ever asked again: who runs once ends when its certificate is accepted. */
export const newMemory = (monotonicMs: number): Memory => ({
  ...nothingRemembered(monotonicMs),
  serving: nothingRemembered(monotonicMs),
  failedPublish: undefined,
  doubtsCluster: false,
  rediscoveryFailed: false,
  filedWith: undefined,
  acceptedToken: undefined,
  nextTokenQuestionMs: Infinity,
  authentication: undefined,
  bundle: undefined,
  nextRecheckMs: undefined,
  failedRecheck: undefined,
})

/** Who goes on asks whether the certificate, the CA bundle and the token are as they were. */
export function askFrom(memory: Memory, nowMs: number): void {
  memory.nextTokenQuestionMs = nowMs + FIRST_QUESTION_MS
  memory.nextRecheckMs = nowMs
}

/** After a changed configuration, or at the operator's wish, what was answered or failed before says nothing. */
export function forgetAnswers(memory: Memory): void {
  memory.acceptedToken = undefined
  memory.filedWith = undefined
  memory.failedRecheck = undefined
  memory.failedPublish = undefined
  for (const certificate of [memory, memory.serving]) {
    certificate.failedHooks = undefined
    certificate.hookRound = undefined
    certificate.unprotected.clear()
    certificate.failedProtection = undefined
    certificate.failedRestore = undefined
  }
  memory.rediscoveryFailed = false
}
