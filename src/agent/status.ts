/** Where the node stands, as a document: derived from what was seen and decided, and from nothing else. Pure. */
import type { Evidence } from '../discovery/discovered.ts'
import { caCertHashes } from '../kube/cluster.ts'
import { findingFacts } from '../lib/findings.ts'
import { timestamp } from '../lib/timestamp.ts'
import { NOTHING_SEEN } from './beginning.ts'
import { CLIENT } from './certificate-kind.ts'
import { certificateOf, requestOf, type StatusCertificate, type StatusRequest } from './certificate-status.ts'
import type { Action, RestReason } from './decide.ts'
import { isInPlace, isJoinedAt } from './joined.ts'
import { lateRenewal } from './late-renewal.ts'
import type { Observed, SeenBundle } from './observed.ts'
import { besideTheWay, restingError } from './resting.ts'
import { isServed, servingProblem, servingSummary } from './serving-status.ts'
import { problemOf, servingProblemOf, type StatusInput, type StatusProblem } from './status-problem.ts'
import { summaryOf } from './status-summary.ts'

/**
 * healthy: a valid identity in place, which the API server has accepted. degraded: valid, but something fails; or lost, and a credential is needed to come
 * back. waiting: on its way. failed: needs a person.
 */
export const STATES = ['healthy', 'degraded', 'waiting', 'failed'] as const
export type State = (typeof STATES)[number]

export const STEPS = ['cluster', 'key', 'request', 'approval', 'certificate', 'kubeconfig'] as const
export type Step = (typeof STEPS)[number]

/** All times are RFC 3339 in UTC. */
export interface Status {
  version: 1
  program: { version: string; pid: number; startTime: string }
  node: string
  state: State
  /** Whether it is a node: see joined.ts. A degraded one need not be. Absent while no look has succeeded since the agent started. */
  joined?: boolean
  /** One sentence for people. */
  summary: string
  /** Since when `state` and `summary` are so. */
  since: string
  /** The step of the way that is under way; absent when all are done. */
  step?: Step
  cluster?: {
    server: string
    caCertHashes: readonly string[]
    verifiedAt: string
    evidence: Evidence
    /** The CA bundle that is published today: whether it is the one in force, could not be read, or is held back. */
    published?:
      | { is: 'in-force'; at: string }
      | { is: 'unreadable'; at: string; why: string }
      | { is: 'held-back'; since: string; caCertHashes: readonly string[]; why: string }
  }
  request?: StatusRequest
  certificate?: StatusCertificate
  /** What the API server said to the certificate, when it was asked; absent while it has not been. */
  authentication?: { acceptedAt: string } | { refusedSince: string }
  /** Where join.yaml asks for a serving certificate. */
  serving?: {
    /** One sentence for people. */
    summary: string
    request?: StatusRequest
    certificate?: StatusCertificate
    problem?: StatusProblem
  }
  /** Why a changed join.yaml is not in force; the last good one is. */
  configurationProblem?: string
  /** What the trust in the cluster rests on: each trade-off that is made, what it costs and what mends it. */
  findings: readonly StatusFinding[]
  /** The worst. */
  problem?: StatusProblem
}

export interface StatusFinding {
  id: string
  severity: string
  /** Its name in policy.require, and whether it stands there. */
  requirement: string
  isRequired: boolean
  seen: string
  consequence: string
  remedy: string
}

export type StatusBody = Omit<Status, 'version' | 'program' | 'since' | 'configurationProblem'>

/** What is not here comes after the way. */
const steps: Readonly<Partial<Record<Action['kind'], Step>>> = {
  discover: 'cluster',
  restore: 'certificate',
  'make-key': 'key',
  submit: 'request',
  'look-up': 'request',
  'await-outcome': 'approval',
  'record-refusal': 'approval',
  install: 'certificate',
  publish: 'kubeconfig',
}

export function statusOf(input: StatusInput): StatusBody {
  const { configuration, seen, action } = input
  const problem = problemOf(input)
  const step = action.kind === 'protect' ? stepUnderProtection(input) : steps[action.kind]
  return {
    node: configuration.node.name,
    state: stateOf(input),
    ...(seen === NOTHING_SEEN ? {} : { joined: isJoinedAt(seen, input.nowMs) }),
    summary: summaryOf(input),
    ...(step === undefined ? {} : { step }),
    ...clusterOf(seen),
    ...requestOf(seen),
    ...certificateOf(seen),
    ...authenticationOf(seen),
    ...servingOf(input),
    findings: findingsOf(seen),
    ...(problem === undefined ? {} : { problem }),
  }
}

/** It comes at any time, and is no step of the way itself. */
function stepUnderProtection({ seen, nowMs }: StatusInput): Step | undefined {
  if (seen.trust.kind === 'unknown') return 'cluster'
  return isInPlace(seen, nowMs) ? undefined : 'key'
}

function stateOf(input: StatusInput): State {
  const { seen, action, failure, nowMs } = input
  if (isInPlace(seen, nowMs)) {
    const problem = failure?.error ?? besideTheWay(seen) ?? lateRenewal(seen, CLIENT, nowMs)
    const isHeldUp = action.kind === 'rest' && restingError(seen, action.because) !== undefined
    if (problem !== undefined || isHeldUp) return 'degraded'
    if (seen.authentication.kind === 'unasked' || !isJoinedAt(seen, nowMs)) return 'waiting'
    return serves(input)
  }
  if (action.kind === 'rest') return WAITING.includes(action.because) ? 'waiting' : 'failed'
  // It was a node, and is one again as soon as it is given what it asks for.
  if (failure?.error.code === 'rejoin-needs-credential') return 'degraded'
  return failure === undefined || failure.transient ? 'waiting' : 'failed'
}

/** A kubelet that is to have a serving certificate is not well without a valid one, which may be on its way by itself. */
function serves({ seen: { serving }, serving: input, nowMs }: StatusInput): State {
  if (serving === undefined || input === undefined) return 'healthy'
  if (servingProblem(serving, input, nowMs) !== undefined) return 'degraded'
  return isServed(serving, nowMs) ? 'healthy' : 'waiting'
}

/** Rests that end by themselves. */
const WAITING: readonly RestReason[] = ['not-yet-valid', 'budget-spent', 'untried']

const findingsOf = ({ findings, violations }: Observed): StatusFinding[] =>
  findings.map((finding) => {
    const { severity, requirement, consequence, remedy } = findingFacts[finding.id]
    return { ...finding, severity, requirement, isRequired: violations.includes(finding), consequence, remedy }
  })

function clusterOf({ trust, bundle }: Observed): Pick<Status, 'cluster'> {
  if (trust.kind === 'unknown') return {}
  const { cluster, evidence, verifiedAtMs } = trust.record
  return {
    cluster: {
      server: cluster.server.href.replace(/\/$/, ''),
      caCertHashes: caCertHashes(cluster.authorities),
      verifiedAt: timestamp(verifiedAtMs),
      evidence,
      ...(bundle === undefined ? {} : { published: publishedOf(bundle) }),
    },
  }
}

function publishedOf(bundle: SeenBundle): NonNullable<NonNullable<Status['cluster']>['published']> {
  switch (bundle.kind) {
    case 'current':
      return { is: 'in-force', at: timestamp(bundle.atMs) }
    case 'untold':
      return { is: 'unreadable', at: timestamp(bundle.atMs), why: bundle.why }
    case 'held-back': {
      const { sinceMs, caCertHashes: hashes, error } = bundle
      return { is: 'held-back', since: timestamp(sinceMs), caCertHashes: hashes, why: error.message }
    }
  }
}

function authenticationOf({ identity, authentication }: Observed): Pick<Status, 'authentication'> {
  if (identity.kind !== 'ours' || authentication.kind === 'unasked') return {}
  return {
    authentication:
      authentication.kind === 'accepted'
        ? { acceptedAt: timestamp(authentication.atMs) }
        : { refusedSince: timestamp(authentication.sinceMs) },
  }
}

function servingOf(input: StatusInput): Pick<Status, 'serving'> {
  const { seen, serving, nowMs } = input
  if (seen.serving === undefined || serving === undefined) return {}
  const problem = servingProblemOf(input)
  return {
    serving: {
      summary: servingSummary(seen.serving, serving, nowMs),
      ...requestOf(seen.serving),
      ...certificateOf(seen.serving),
      ...(problem === undefined ? {} : { problem }),
    },
  }
}
