/** `node-bootstrap status`: reads what the agent published, and whether that agent still lives. */
import { systemClock } from '../adapters/clock.ts'
import { STEPS, type Status } from '../agent/status.ts'
import { EXIT, type ExitStatus } from '../lib/error-codes.ts'
import type { Invocation } from './invocation.ts'
import {
  absenceError,
  exitStatusOf,
  isKept,
  readPublishedStatus,
  runtimeDirectory,
  type PublishedStatus,
} from './published-status.ts'

export async function status(invocation: Invocation): Promise<ExitStatus> {
  const directory = await runtimeDirectory(invocation)
  const published = await readPublishedStatus(directory)
  if (published === undefined) throw await absenceError(invocation, directory)
  process.stdout.write(
    invocation.values['json'] === true ? document(published) : render(published, systemClock.nowMs()),
  )
  return isKept(published) ? exitStatusOf(published.status) : EXIT.unavailable
}

/** The agent's own, and what it cannot say of itself: whether it runs, and whether it has kept this true. */
function document(published: PublishedStatus): string {
  const { status: current, runs } = published
  return `${JSON.stringify({ ...current, running: runs, current: isKept(published) }, null, 2)}\n`
}

/** `3d 4h`, `12m 5s`: the two largest units. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const
  const shown = parts.slice(parts.findIndex(([count]) => count > 0)).slice(0, 2)
  return seconds === 0 ? '0s' : shown.map(([count, unit]) => `${count}${unit}`).join(' ')
}

const ago = (nowMs: number, time: string): string => `${span(nowMs - Date.parse(time))} ago`

const isPast = (nowMs: number, time: string): boolean => Date.parse(time) <= nowMs

function ahead(nowMs: number, time: string): string {
  const ms = Date.parse(time) - nowMs
  return ms < 0 ? `${span(-ms)} ago` : `in ${span(ms)}`
}

/** The status for a person, at `nowMs`. */
export function render(published: PublishedStatus, nowMs: number): string {
  const { status } = published
  const lines: [string, string][] = [
    ['node', status.node],
    [
      'state',
      `${status.state}${standing(status)}, since ${status.since} (${ago(nowMs, status.since)})${isKept(published) ? '' : `; ${lag(published, nowMs)}`}`,
    ],
    ['', status.summary],
    ['way', way(status)],
    ...problemLines(status, nowMs),
    ...clusterLines(status),
    ...findingLines(status),
    ...requestLines(status, nowMs),
    ...certificateLines(status, nowMs),
    ...servingLines(status, nowMs),
    ['agent', `${status.program.version}, pid ${status.program.pid}`],
  ]
  return lines.map(([name, text]) => `${name.padEnd(12)} ${text}`.trimEnd()).join('\n') + '\n'
}

/** Of a status that is not kept. */
const lag = ({ runs, behindSinceMs = 0 }: PublishedStatus, nowMs: number): string =>
  runs
    ? `that was written ${span(nowMs - behindSinceMs)} ago, and may be no longer so: the agent runs, and has not written it since, as it does each minute when it can`
    : 'that was when the agent last ran, and it does not run now'

/** Said where the state would make one believe otherwise: mostly, a node that is healthy or degraded has joined, and no other. */
function standing({ state, joined }: Status): string {
  if (joined === undefined) return ', unknown whether it has joined'
  if (joined === (state === 'healthy' || state === 'degraded')) return ''
  return joined ? ', joined' : ', not joined'
}

function way({ step }: Status): string {
  const at = step === undefined ? STEPS.length : STEPS.indexOf(step)
  return STEPS.map((name, index) => `${index < at ? '✓' : index === at ? '→' : '·'} ${name}`).join('  ')
}

function problemLines({ problem, configurationProblem }: Status, nowMs: number): [string, string][] {
  const lines: [string, string][] = []
  if (problem !== undefined) {
    lines.push(['problem', `${problem.code}: ${problem.message}`], ['', `what to do: ${problem.hint}`])
    if (problem.nextAttemptAt !== undefined) lines.push(['', `next attempt ${ahead(nowMs, problem.nextAttemptAt)}`])
  }
  if (configurationProblem !== undefined)
    lines.push(
      ['join.yaml', 'the changed file is not used, the last good one is:'],
      ...configurationProblem.split('\n').map((line): [string, string] => ['', line]),
    )
  return lines
}

function clusterLines({ cluster }: Status): [string, string][] {
  if (cluster === undefined) return []
  return [
    ['cluster', cluster.server],
    ['', `CA ${cluster.caCertHashes.join(', ')}`],
    ...(cluster.published === undefined || cluster.published.is === 'in-force'
      ? []
      : [['', `CA published there: ${cluster.published.is}: ${cluster.published.why}`] as [string, string]]),
    ...cluster.evidence.verified.map((sentence): [string, string] => ['', `verified: ${sentence}`]),
  ]
}

function findingLines({ findings }: Status): [string, string][] {
  return findings.flatMap(({ id, severity, requirement, isRequired, seen, consequence, remedy }, index) => [
    [
      index === 0 ? 'trade-offs' : '',
      `${isRequired ? `forbidden by policy.require: ${requirement}` : severity}: ${id}: ${seen}: ${consequence}`,
    ] as [string, string],
    ['', `what to do: ${remedy}`] as [string, string],
  ])
}

function servingLines({ serving }: Status, nowMs: number): [string, string][] {
  if (serving === undefined) return []
  const names = (serving.request ?? serving.certificate)?.names?.join(', ')
  return [
    ['serving', serving.summary],
    ...(names === undefined ? [] : [['', `for ${names}`] as [string, string]]),
    ...[...requestLines(serving, nowMs), ...certificateLines(serving, nowMs)].map(([name, text]): [string, string] => [
      '',
      name === '' ? text : `${name}: ${text}`,
    ]),
  ]
}

function requestLines({ request }: Pick<Status, 'request'>, nowMs: number): [string, string][] {
  if (request === undefined) return []
  return [
    [
      'request',
      `${request.name}, ${request.createdAt === undefined ? 'not seen in the cluster yet' : `submitted ${ago(nowMs, request.createdAt)}`}`,
    ],
    ['', `key ${request.fingerprint}`],
    ...(request.outdated === undefined ? [] : [['', `outdated: ${request.outdated}`] as [string, string]]),
    ...(request.createdAt === undefined ? [] : commandLines(request)),
  ]
}

/** As comments of the shell, so that a line can be pasted whole. */
function commandLines({ deny, approve, outdated }: NonNullable<Status['request']>): [string, string][] {
  const commands = [
    [deny, 'then what is wanted now is asked for'],
    [approve, 'takes it as it is, until its renewal'],
  ] as const
  return commands.flatMap(([command, effect]): [string, string][] =>
    command === undefined ? [] : [['', outdated === undefined ? command : `${command} # ${effect}`]],
  )
}

function certificateLines(
  { certificate, authentication }: Pick<Status, 'certificate' | 'authentication'>,
  nowMs: number,
): [string, string][] {
  if (certificate === undefined) return []
  return [
    ['certificate', `${certificate.subject}, serial ${certificate.serialNumber}`],
    ['', `valid until ${certificate.notAfter} (${ahead(nowMs, certificate.notAfter)})`],
    [
      '',
      `${isPast(nowMs, certificate.renewAt) ? 'renewal due since' : 'renewed at'} ${certificate.renewAt} (${ahead(nowMs, certificate.renewAt)})`,
    ],
    ...(authentication === undefined ? [] : [['', authenticationLine(authentication, nowMs)] as [string, string]]),
  ]
}

const authenticationLine = (authentication: NonNullable<Status['authentication']>, nowMs: number): string =>
  'acceptedAt' in authentication
    ? `accepted by the API server, ${ago(nowMs, authentication.acceptedAt)}`
    : `refused by the API server since ${authentication.refusedSince} (${ago(nowMs, authentication.refusedSince)})`
