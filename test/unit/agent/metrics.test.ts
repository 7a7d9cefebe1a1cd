import assert from 'node:assert/strict'
import { metricsText } from '../../../src/agent/metrics.ts'
import type { Status } from '../../../src/agent/status.ts'
import { Tally } from '../../../src/agent/tally.ts'

const certificate = {
  subject: 'O=system:nodes, CN=system:node:worker-secret-name',
  serialNumber: '1',
  fingerprint: 'SHA256:0',
  notBefore: '2026-11-23T12:00:00.000Z',
  notAfter: '2026-11-24T12:00:00.000Z',
  renewAt: '2026-11-24T06:00:00.000Z',
  installedAt: '2026-11-23T12:00:01.000Z',
}
const healthy: Status = {
  version: 1,
  program: { version: '0.1.0', pid: 1, startTime: '2' },
  node: 'worker-secret-name',
  state: 'healthy',
  joined: true,
  summary: 'joined',
  since: '2026-11-23T12:00:00.000Z',
  findings: [],
  cluster: {
    server: 'https://10.0.0.10:6443',
    caCertHashes: [],
    verifiedAt: '2026-11-23T11:00:00.000Z',
    evidence: { method: 'token', source: '10.0.0.10:6443', verified: [] },
    published: { is: 'in-force', at: '2026-11-23T12:00:00.000Z' },
  },
  certificate,
  authentication: { acceptedAt: '2026-11-23T12:00:02.500Z' },
}
const STARTED_MS = Date.parse('2026-11-23T11:59:00.000Z')

interface Parsed {
  types: Map<string, string>
  /** By the whole series: name and labels. */
  values: Map<string, number>
}

/** The exposition format 0.0.4, as strict as `promtool check metrics`: each family at once, HELP and TYPE before its samples. */
function parse(text: string): Parsed {
  assert.ok(text.endsWith('\n'))
  const [types, values] = [new Map<string, string>(), new Map<string, number>()]
  let family = ''
  let helped = ''
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (\S.*)$/.exec(line)
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (gauge|counter)$/.exec(line)
    const sample =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})? (-?\d+(?:\.\d+)?)$/.exec(
        line,
      )
    if (help !== null) {
      helped = help[1] ?? ''
      assert.ok(!types.has(helped), `${helped} comes twice`)
    } else if (type !== null) {
      family = type[1] ?? ''
      assert.equal(family, helped, 'TYPE follows its HELP')
      types.set(family, type[2] ?? '')
      assert.equal(family.endsWith('_total'), type[2] === 'counter', family)
    } else {
      assert.ok(sample !== null, `no line of the format: ${line}`)
      assert.equal(sample[1], family, 'a sample stands in its family')
      const series = `${sample[1]}${sample[2] ?? ''}`
      assert.ok(!values.has(series), `${series} comes twice`)
      values.set(series, Number(sample[3]))
    }
  }
  return { types, values }
}

describe('metricsText', () => {
  it('is Prometheus text that tells state, times and build', () => {
    const { values } = parse(metricsText(healthy, [], STARTED_MS))
    assert.deepEqual(
      Object.fromEntries([...values].map(([series, value]) => [series.replace('node_bootstrap_', ''), value])),
      {
        'build_info{version="0.1.0"}': 1,
        start_time_seconds: 1_795_435_140,
        'state{state="healthy"}': 1,
        'state{state="degraded"}': 0,
        'state{state="waiting"}': 0,
        'state{state="failed"}': 0,
        joined: 1,
        state_since_seconds: 1_795_435_200,
        'certificate_not_before_seconds{kind="client"}': 1_795_435_200,
        'certificate_not_after_seconds{kind="client"}': 1_795_521_600,
        'certificate_installed_seconds{kind="client"}': 1_795_435_201,
        'certificate_renewal_seconds{kind="client"}': 1_795_500_000,
        certificate_accepted_seconds: 1_795_435_202.5,
        ca_bundle_held_back: 0,
        configuration_refused: 0,
      },
    )
  })

  it('has the times of the serving certificate beside those of the client’s', () => {
    const notAfter = '2026-11-25T12:00:00.000Z'
    const serving = { summary: '', certificate: { ...certificate, notAfter } }
    const { values } = parse(metricsText({ ...healthy, serving }, [], STARTED_MS))
    assert.equal(values.get('node_bootstrap_certificate_not_after_seconds{kind="client"}'), 1_795_521_600)
    assert.equal(values.get('node_bootstrap_certificate_not_after_seconds{kind="serving"}'), 1_795_608_000)
  })

  it('counts the attempts by action and outcome', () => {
    const tally = new Tally()
    tally.add({ kind: 'client', action: 'discover', outcome: 'timed-out' })
    tally.add({ kind: 'client', action: 'discover', outcome: 'timed-out' })
    tally.add({ kind: 'client', action: 'discover', outcome: 'succeeded' })
    const { values, types } = parse(metricsText(healthy, tally.attempts, STARTED_MS))
    assert.equal(values.get('node_bootstrap_attempts_total{kind="client",action="discover",outcome="timed-out"}'), 2)
    assert.equal(values.get('node_bootstrap_attempts_total{kind="client",action="discover",outcome="succeeded"}'), 1)
    assert.equal(types.get('node_bootstrap_attempts_total'), 'counter')
  })

  it('says which problem there is, when it is tried again, and nothing of a certificate that is not there', () => {
    const { version, program, node, summary, since, findings } = healthy
    const rest = { version, program, node, summary, since, findings }
    const problem = {
      kind: 'client' as const,
      code: 'timed-out',
      message: 'a "message"',
      hint: '',
      nextAttemptAt: '2026-11-23T12:00:00.000Z',
    }
    const { values } = parse(metricsText({ ...rest, state: 'degraded', joined: false, problem }, [], STARTED_MS))
    assert.equal(values.get('node_bootstrap_problem{code="timed-out"}'), 1)
    assert.equal(values.get('node_bootstrap_next_attempt_time_seconds'), 1_795_435_200)
    assert.equal(values.get('node_bootstrap_state{state="degraded"}'), 1)
    assert.equal(values.get('node_bootstrap_joined'), 0)
    assert.ok(![...values.keys()].some((series) => series.includes('certificate')))
  })

  it('says nothing of whether the node has joined, where that is not known', () => {
    const { version, program, node, summary, since, findings } = healthy
    const unknown: Status = { version, program, node, state: 'waiting', summary, since, findings }
    assert.equal(parse(metricsText(unknown, [], STARTED_MS)).values.get('node_bootstrap_joined'), undefined)
  })

  it('names neither the node nor its cluster', () => {
    assert.doesNotMatch(metricsText(healthy, [], STARTED_MS), /worker-secret-name|10\.0\.0\.10|SHA256/)
  })
})
