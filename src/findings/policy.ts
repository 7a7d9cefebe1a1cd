/** What policy.require makes of the findings: which of them are violations, and the error that they are. Pure. */
import { BootstrapError } from '../lib/errors.ts'
import { findingFacts, type Finding, type Requirement } from '../lib/findings.ts'

/** The findings that a requirement forbids. */
export const violationsOf = (findings: readonly Finding[], require: readonly Requirement[]): Finding[] =>
  findings.filter(({ id }) => require.includes(findingFacts[id].requirement))

/** What shows only when the node has joined cannot be a reason not to join. */
export const stopsJoining = ({ id }: Finding): boolean => findingFacts[id].stage !== 'afterwards'

/** `violations` is not empty. */
export function policyError(violations: readonly Finding[]): BootstrapError {
  const seen = violations.map((finding) => `${findingFacts[finding.id].requirement} is not met: ${finding.seen}`)
  const remedies = violations.map(({ id }) => findingFacts[id].remedy)
  return new BootstrapError('policy-violated', `policy.require: ${seen.join('; ')}`, {
    hint: `${remedies.join('; ')}; or take the requirement out of policy.require`,
  })
}
