/**
 * The status as Prometheus text (exposition format 0.0.4), for node_exporter's textfile collector. Moments are told as
 * times, from which a query makes spans; every label has a closed set of values, and none holds a name or a secret. Pure.
 */
import type { StatusCertificate } from './certificate-status.ts'
import { STATES, type Status } from './status.ts'
import type { Attempts } from './tally.ts'

interface Sample {
  labels?: Readonly<Record<string, string>>
  value: number
}

interface Family {
  name: string
  type: 'gauge' | 'counter'
  help: string
  /** Without any, the family is left out. */
  samples: readonly Sample[]
}

const seconds = (time: string | undefined): Sample[] =>
  time === undefined ? [] : [{ value: Date.parse(time) / 1000 }].filter(({ value }) => !Number.isNaN(value))

/** Of each certificate that is there. */
const ofEach = ({ certificate, serving }: Status, timeOf: (certificate: StatusCertificate) => string): Sample[] =>
  Object.entries({ client: certificate, serving: serving?.certificate }).flatMap(([kind, found]) =>
    seconds(found && timeOf(found)).map((sample) => ({ ...sample, labels: { kind } })),
  )

const flag = (isSo: boolean): number => (isSo ? 1 : 0)

const PREFIX = 'node_bootstrap_'

/** By the first line: after a crash the file is all that tells whose it is. */
export const isOwnMetrics = (text: string): boolean => text.startsWith(`# HELP ${PREFIX}`)

/** `startedAtMs`: of the process that counts the attempts. */
export function metricsText(status: Status, attempts: readonly Attempts[], startedAtMs: number): string {
  return families(status, attempts, startedAtMs)
    .filter(({ samples }) => samples.length > 0)
    .map(rendered)
    .join('')
}

function families(status: Status, attempts: readonly Attempts[], startedAtMs: number): Family[] {
  const { authentication, cluster, joined, problem, program, configurationProblem } = status
  const of = (timeOf: (certificate: StatusCertificate) => string): Sample[] => ofEach(status, timeOf)
  const gauge = (name: string, help: string, samples: readonly Sample[]): Family => ({
    name: `${PREFIX}${name}`,
    type: 'gauge',
    help,
    samples,
  })
  const accepted =
    authentication !== undefined && 'acceptedAt' in authentication ? authentication.acceptedAt : undefined
  return [
    gauge('build_info', 'The version of node-bootstrap that wrote this.', [
      { labels: { version: program.version }, value: 1 },
    ]),
    gauge('start_time_seconds', 'When this agent started.', [{ value: startedAtMs / 1000 }]),
    gauge(
      'state',
      'Where the node stands: 1 for the state that it is in.',
      STATES.map((state) => ({ labels: { state }, value: flag(state === status.state) })),
    ),
    gauge(
      'joined',
      'Whether the node has joined: its certificate is valid, in place and accepted.',
      joined === undefined ? [] : [{ value: flag(joined) }],
    ),
    gauge('state_since_seconds', 'Since when it stands there.', seconds(status.since)),
    gauge(
      'problem',
      'What stands in the way, by its code.',
      problem === undefined ? [] : [{ labels: { code: problem.code }, value: 1 }],
    ),
    gauge('next_attempt_time_seconds', 'When what has failed is tried again.', seconds(problem?.nextAttemptAt)),
    gauge(
      'certificate_not_before_seconds',
      'When the certificate in force begins.',
      of(({ notBefore }) => notBefore),
    ),
    gauge(
      'certificate_not_after_seconds',
      'When the certificate in force ends.',
      of(({ notAfter }) => notAfter),
    ),
    gauge(
      'certificate_installed_seconds',
      'When it was written: the last renewal.',
      of(({ installedAt }) => installedAt),
    ),
    gauge(
      'certificate_renewal_seconds',
      'When it is renewed next.',
      of(({ renewAt }) => renewAt),
    ),
    gauge(
      'certificate_accepted_seconds',
      'When the API server last accepted the client certificate.',
      seconds(accepted),
    ),
    gauge('ca_bundle_held_back', 'Whether the CA bundle that the cluster publishes is not taken.', [
      { value: flag(cluster?.published?.is === 'held-back') },
    ]),
    gauge('configuration_refused', 'Whether a changed join.yaml is not in force because it cannot be used.', [
      { value: flag(configurationProblem !== undefined) },
    ]),
    {
      name: `${PREFIX}attempts_total`,
      type: 'counter',
      help: 'Actions since the agent started, by the certificate that they were for and by how they ended: succeeded, or the code of the error.',
      samples: attempts.map(({ count, ...labels }) => ({ labels: { ...labels }, value: count })),
    },
  ]
}

function rendered({ name, type, help, samples }: Family): string {
  const lines = samples.map(({ labels, value }) => `${name}${renderedLabels(labels)} ${value}`)
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n')
}

function renderedLabels(labels: Sample['labels']): string {
  if (labels === undefined) return ''
  const escaped = (text: string): string => text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')
  return `{${Object.entries(labels)
    .map(([key, value]) => `${key}="${escaped(value)}"`)
    .join(',')}}`
}
