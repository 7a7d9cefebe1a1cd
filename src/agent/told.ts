/** What the log has been told of what was seen, so that each thing is told once, and again when it is gone and comes back. */
import { findingFacts, type FindingId } from '../lib/findings.ts'
import type { Log } from '../lib/ports.ts'
import type { Memory, Observed } from './observed.ts'
import { odditySentence, type Oddity } from './oddities.ts'

export class Told {
  readonly #log: Log
  #findings: ReadonlySet<FindingId> = new Set()
  #oddities: readonly Oddity[] = []
  /** Of the certificate in force when the agent rested last. */
  #restingWith: string | undefined

  constructor(log: Log) {
    this.#log = log
  }

  /** The findings are told again, as after a changed configuration. */
  beginAnew(): void {
    this.#findings = new Set()
  }

  tell({ findings, violations, oddities }: Pick<Observed, 'findings' | 'violations' | 'oddities'>): void {
    for (const finding of findings) {
      const { severity, requirement, consequence, remedy } = findingFacts[finding.id]
      if (this.#findings.has(finding.id)) continue
      const fields = { finding: finding.id, hint: remedy, requirement }
      const sentence = `${finding.seen}: ${consequence}`
      if (violations.includes(finding)) this.#log.error(sentence, { ...fields, code: 'policy-violated' })
      else this.#log[severity === 'warning' ? 'warn' : 'info'](sentence, fields)
    }
    this.#findings = new Set(findings.map(({ id }) => id))
    for (const oddity of oddities)
      if (!this.#oddities.includes(oddity)) this.#log.warn(odditySentence(oddity), { oddity })
    this.#oddities = oddities
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
