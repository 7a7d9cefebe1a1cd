/** What has been seen and is remembered when the loop begins: nothing. */
import type { CertificateMemory, Memory, Observed } from './observed.ts'

export const NOTHING_SEEN: Observed = {
  trust: { kind: 'unknown' },
  serving: undefined,
  rediscoveryFailed: false,
  identity: { kind: 'absent' },
  isUntried: false,
  published: false,
  hooks: undefined,
  failedHooks: undefined,
  authentication: { kind: 'unasked' },
  bundle: undefined,
  nextRecheckMs: undefined,
  failedRecheck: undefined,
  pending: undefined,
  isPendingExposed: false,
  outdated: undefined,
  request: undefined,
  refusal: undefined,
  findings: [],
  violations: [],
  hasJoined: false,
  mayJoin: true,
  keysMadeAtMs: [],
  leftOver: [],
  oddities: [],
}

const nothingRemembered = (): CertificateMemory => ({
  request: undefined,
  retryRefused: false,
  installedFingerprint: undefined,
  failedHooks: undefined,
})

/** Who runs once ends when its certificate is accepted, and asks nothing after it: that is for `Loop` to change. */
export const newMemory = (): Memory => ({
  ...nothingRemembered(),
  serving: nothingRemembered(),
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
