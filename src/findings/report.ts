/** What validate says of a configuration that is well formed: a line for each finding, as compilers write theirs. Pure. */
import type { JoinConfiguration } from '../config/index.ts'
import { findingFacts, type Finding, type Requirement } from '../lib/findings.ts'
import { violationsOf } from './policy.ts'

/** A configuration that policy forbids is none that can be used: then there is no `ok`. */
export function validationReport(
  file: string,
  { policy }: Pick<JoinConfiguration, 'policy'>,
  findings: readonly Finding[],
): { isUsable: boolean; lines: string[] } {
  const isUsable = violationsOf(findings, policy.require).length === 0
  const lines = findings.map((finding) => findingLine(file, finding, policy.require))
  return { isUsable, lines: isUsable ? [`${file}: ok`, ...lines] : lines }
}

/** `FILE: error|warning|notice: ID: what was seen: what it costs; what to do`. */
function findingLine(file: string, finding: Finding, require: readonly Requirement[]): string {
  const { severity, requirement, consequence, remedy } = findingFacts[finding.id]
  const isRequired = require.includes(requirement)
  const policy = isRequired ? ` (policy.require: ${requirement})` : ''
  return `${file}: ${isRequired ? 'error' : severity}: ${finding.id}: ${finding.seen}: ${consequence}; ${remedy}${policy}`
}
