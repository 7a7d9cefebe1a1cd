/** What the log has been told of what was seen, so that each thing is told once, and again when it is gone and comes back. */
import { findingFacts, type FindingId } from '../lib/findings.ts'
import type { Log, LogFields } from '../lib/ports.ts'
import type { BootstrapError } from '../lib/errors.ts'
import { timestamp } from '../lib/timestamp.ts'
import { denialCommand } from './actions/request.ts'
import { isToBeDenied } from './certificate-status.ts'
import { CLIENT, SERVING, type CertificateKind } from './certificate-kind.ts'
import type { Action, RestReason } from './decide.ts'
import { lateRenewal } from './late-renewal.ts'
import type { Memory, Observed, SeenCertificate } from './observed.ts'
import { odditySentence, type Oddity } from './oddities.ts'
import type { Step } from './turn.ts'

type Odd = Pick<SeenCertificate, 'oddities' | 'pending' | 'outdated' | 'request'>

const NOTHING_ODD: Odd = { oddities: [], pending: undefined, outdated: undefined, request: undefined }

/** What there is to tell of an oddity beside its name: what is new in it makes it news. */
function oddityFields(oddity: Oddity, seen: Odd): LogFields {
  if (oddity !== 'pending-request-outdated') return {}
  const name = seen.pending?.name ?? ''
  return { request: name, why: seen.outdated?.why, ...(isToBeDenied(seen) ? { hint: denialCommand(name) } : {}) }
}

export class Told {
  readonly #log: Log
  #findings: ReadonlySet<FindingId> = new Set()
  /** Each oddity that there is, and what there was to tell of it at the last look. */
  readonly #oddities: Record<CertificateKind['name'], ReadonlyMap<Oddity, readonly unknown[]>> = {
    client: new Map(),
    serving: new Map(),
  }
  /** Of the last renewal that was late, what was told: while it is looked up again it is no other one. */
  readonly #late: Record<CertificateKind['name'], string | undefined> = { client: undefined, serving: undefined }
  /** Why it rests, while it does. */
  #resting: RestReason | undefined
  /** Of the certificate in force when the agent rested last. */
  #restingWith: string | undefined

  constructor(log: Log) {
    this.#log = log
  }

  /** The findings, and why it rests, are told again, as after a changed configuration. */
  beginAnew(): void {
    this.#findings = new Set()
    this.endRest()
  }

  tell({
    findings,
    violations,
    serving,
    ...client
  }: Pick<Observed, 'findings' | 'violations' | 'serving'> & Odd): void {
    for (const finding of findings) {
      const { severity, requirement, consequence, remedy } = findingFacts[finding.id]
      if (this.#findings.has(finding.id)) continue
      const fields = { finding: finding.id, hint: remedy, requirement }
      const sentence = `${finding.seen}: ${consequence}`
      if (violations.includes(finding)) this.#log.error(sentence, { ...fields, code: 'policy-violated' })
      else this.#log[severity === 'warning' ? 'warn' : 'info'](sentence, fields)
    }
    this.#findings = new Set(findings.map(({ id }) => id))
    this.#tellOddities(CLIENT, client)
    this.#tellOddities(SERVING, serving ?? NOTHING_ODD)
  }

  #tellOddities({ name, title }: CertificateKind, seen: Odd): void {
    const there = new Map<Oddity, readonly unknown[]>()
    for (const oddity of seen.oddities) {
      const fields = oddityFields(oddity, seen)
      const told = this.#oddities[name].get(oddity)
      const values = Object.values(fields)
      const isNews = told === undefined || values.some((value) => !told.includes(value))
      if (isNews) this.#log.warn(odditySentence(oddity, title), { oddity, ...fields })
      there.set(oddity, values)
    }
    this.#oddities[name] = there
  }

  /** Why the way to the node's own certificate is at an end for now; `error`: where that is not well. */
  tellOfRest({ because, untilMs }: Action & { kind: 'rest' }, error: BootstrapError | undefined, node: string): void {
    if (this.#resting === because) return
    this.#resting = because
    if (error === undefined || because === 'fresh') this.#log.info('joined', { node, renewAt: timestamp(untilMs) })
    // What policy forbids is told with the findings, and what the API server said when it was asked.
    else if (error.code !== 'policy-violated' && because !== 'untried')
      this.#log.error(error.message, { code: error.code, hint: error.hint })
  }

  /** That a renewal is late, each time that what it waits for is another. */
  tellOfLate({ track: { kind }, certificate, action }: Step, nowMs: number): void {
    const late = action.kind === 'await-outcome' ? lateRenewal(certificate, kind, nowMs) : undefined
    if (late === undefined || this.#late[kind.name] === late.message) return
    this.#log.warn(late.message, { certificate: kind.name, code: late.code, hint: late.hint })
    this.#late[kind.name] = late.message
  }

  /** Something is done: the next rest is told. */
  endRest(): void {
    this.#resting = undefined
  }

  /** The link is nobody's alone: what another program has put there, and is good, is used as if it were our own. */
  noticeOthers({ identity }: Observed, { installedFingerprint }: Memory): void {
    const fingerprint = identity.kind === 'ours' ? identity.pair.certificate.fingerprint : undefined
    const isNews = this.#restingWith !== undefined && fingerprint !== undefined && fingerprint !== this.#restingWith
    if (isNews && fingerprint !== installedFingerprint)
      this.#log.info('another program, the kubelet most likely, has renewed the certificate')
    this.#restingWith = fingerprint
  }
}
