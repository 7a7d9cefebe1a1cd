/** status.json as another version, or nobody that is an agent, may have left it: shown whole, or taken for none. */
import assert from 'node:assert/strict'
import { obstacleTo } from '../../../src/agent/obstacle.ts'
import { GOALS } from '../../../src/cli/commands.ts'
import { exitStatusOf } from '../../../src/cli/published-status.ts'
import { isStatus } from '../../../src/cli/status-document.ts'
import { render } from '../../../src/cli/status.ts'
import { goalReached } from '../../../src/cli/wait.ts'
import { configurationWith, DAY_MS } from '../agent/fixtures.ts'
import { pinless, Stage } from '../agent/loop-stage.ts'

const AT = '2026-11-23T11:00:00.000Z'
const NOW_MS = Date.parse('2026-11-24T12:00:00.000Z')

const request = { name: 'n', fingerprint: 'SHA256:k' }
const certificate = { subject: 's', serialNumber: '1', fingerprint: 'SHA256:c', notAfter: AT, renewAt: AT }
const problem = { code: 'unreachable', message: 'm', hint: 'h' }
const finding = { id: 'pinned', severity: 'notice', requirement: 'r', seen: 's', consequence: 'c', remedy: 'r' }

/** Each part that there can be, with what every agent writes there and no more. */
const whole = {
  version: 1,
  program: { version: '0.1.0', pid: 1, startTime: '1' },
  node: 'worker-1',
  state: 'waiting',
  since: AT,
  summary: 'it waits',
  cluster: { server: 'https://a', caCertHashes: ['sha256:x'], evidence: { verified: ['v'] } },
  request,
  certificate,
  authentication: { acceptedAt: AT },
  serving: { summary: 's', request, certificate, problem },
  findings: [finding],
  problem,
  configurationProblem: 'p',
}

type Path = readonly (string | number)[]

/** To each value in it, the parts before what is in them. */
function pathsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsIn(inner, [...path, key]))]
}

/** `put`: undefined takes it away. */
function changed(path: Path, put: unknown): unknown {
  const document: unknown = structuredClone(whole)
  let at = document as Record<string | number, unknown>
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>
  const last = path.at(-1) ?? ''
  if (put === undefined && !Array.isArray(at)) Reflect.deleteProperty(at, last)
  else at[last] = put
  return document
}

function assertUsable(document: unknown, what: string): void {
  if (!isStatus(document)) return
  const text = render({ status: document, runs: true }, NOW_MS)
  assert.doesNotMatch(text, /undefined|NaN|null|Invalid|\[object/, what)
  exitStatusOf(document)
  obstacleTo(undefined, document)
  for (const goal of GOALS) goalReached(goal)({ status: document, runs: true })
}

describe('status.json of another version', () => {
  it('is a status with each part that there can be, and with none of those that may be missing', () => {
    assert.ok(isStatus(whole))
    assertUsable(whole, 'whole')
    const { version, program, node, state, since, summary } = whole
    assert.ok(isStatus({ version, program, node, state, since, summary, findings: [] }))
  })

  it('may have fields, states and steps that this one does not know', () => {
    const later = { ...whole, state: 'retired', step: 'farewell', more: { of: 'it' }, request: { ...request, more: 1 } }
    assert.ok(isStatus(later))
    assertUsable(later, 'later')
  })

  for (const path of pathsIn(whole).slice(1))
    it(`neither crashes nor is shown with holes where ${path.join('.')} is missing, null, or something else`, () => {
      for (const put of [undefined, null, 7, 'text', [], {}, [null]])
        assertUsable(changed(path, put), `${path.join('.')}: ${JSON.stringify(put)}`)
    })

  for (const path of [['since'], ['certificate', 'notAfter'], ['serving', 'certificate', 'renewAt']])
    it(`is none where ${path.join('.')} is no time`, () => {
      assert.equal(isStatus(changed(path, 'yesterday')), false)
    })

  for (const [name, verdicts] of [
    ['approved', ['approve', 'approve']],
    ['denied', ['deny', 'deny']],
    ['left alone', ['leave', 'leave']],
    ['approved for the node, and left alone for its server', ['approve', 'leave']],
  ] as const)
    it(`is one at every look of an agent of today whose requests are ${name}`, async () => {
      const stage = new Stage({
        configuration: configurationWith({ discovery: pinless, certificate: { serving: {} } }),
        maxReports: 50_000,
      })
      const [own, serving] = verdicts
      stage.cluster.verdict = own
      stage.cluster.servingVerdict = serving
      const { version, program } = whole
      let looks = 0
      stage.onReport = (body) => {
        const document: unknown = JSON.parse(JSON.stringify({ version, program, since: AT, ...body }))
        assert.ok(isStatus(document), JSON.stringify(document))
        looks += 1
      }
      await stage.runFor(2 * DAY_MS)
      assert.ok(looks > 1)
    })

  it('is none of another version of the document', () => {
    assert.equal(isStatus({ ...whole, version: 2 }), false)
  })
})
