/** A renewal that is due, and a disk that fails where the renewal needs nothing: it comes all the same, and the rest once it can. */
import assert from 'node:assert/strict'
import type { StatusBody } from '../../../src/agent/status.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { configurationWith, HOUR_MS, MINUTE_MS } from './fixtures.ts'
import { pinless, Stage } from './loop-stage.ts'

const CA = '/etc/kubernetes/pki/ca.crt'
const KUBECONFIG = '/etc/kubernetes/kubelet.conf'
const PAIRS = '/var/lib/kubelet/pki'

type Method = Parameters<Stage['files']['fault']>[0]

interface Row {
  name: string
  /** What becomes of the disk after an hour. */
  spoil: (stage: Stage) => void
  fails: (method: Method, path: string) => boolean
  /** What the status tells while it lasts. */
  code: 'storage-read-only' | 'storage-malformed'
  /** Of a disk that is as it should be again. */
  isMended: (stage: Stage) => boolean
}

const isChange = (method: Method): boolean => ['createSynced', 'symlink', 'rename', 'remove'].includes(method)

const rows: readonly Row[] = [
  {
    name: 'ca.crt is another one, and /etc is read-only',
    spoil: ({ files }) => files.entries.delete(CA),
    fails: (method, path) => isChange(method) && path.startsWith('/etc/'),
    code: 'storage-read-only',
    isMended: ({ files }) => files.text(CA) !== undefined,
  },
  {
    name: 'the kubeconfig is gone, and /etc is read-only',
    spoil: ({ files }) => files.entries.delete(KUBECONFIG),
    fails: (method, path) => isChange(method) && path.startsWith('/etc/'),
    code: 'storage-read-only',
    isMended: ({ files }) => files.text(KUBECONFIG) !== undefined,
  },
  {
    name: 'the kubeconfig cannot be read',
    spoil: () => undefined,
    fails: (method, path) => method === 'read' && path === KUBECONFIG,
    code: 'storage-malformed',
    isMended: () => true,
  },
  {
    name: 'ca.crt cannot be read',
    spoil: () => undefined,
    fails: (method, path) => method === 'read' && path === CA,
    code: 'storage-malformed',
    isMended: () => true,
  },
]

/** Of certificates of four hours: past the end of the first one. */
const BAD_UNTIL_MS = 5 * HOUR_MS

/** From an hour after the join on, until `endMs` after it, its disk is as the row says. */
function spoilt({ spoil, fails, code }: Row, endMs: number): Stage {
  const stage = new Stage({ maxReports: 50_000 })
  stage.cluster.certificateMs = 4 * HOUR_MS
  const beganMs = stage.clock.monotonicMs()
  const passedMs = (): number => stage.clock.monotonicMs() - beganMs
  let isSpoilt = false
  stage.files.fault = (method, path) => {
    if (isSpoilt && passedMs() < endMs && fails(method, path)) throw new BootstrapError(code, `${path} is bad`)
  }
  stage.clock.afterSleep = () => {
    if (isSpoilt || passedMs() < HOUR_MS) return
    isSpoilt = true
    spoil(stage)
  }
  return stage
}

describe('Loop: a renewal that is due, where', () => {
  for (const row of rows)
    it(`${row.name}, comes all the same; that is told, tried with pauses, and made good by itself`, async () => {
      const stage = spoilt(row, BAD_UNTIL_MS)
      let during: { status: StatusBody; requests: number } | undefined
      const beganMs = stage.clock.monotonicMs()
      stage.onReport = (status) => {
        if (stage.clock.monotonicMs() - beganMs < BAD_UNTIL_MS)
          during = { status, requests: stage.cluster.posts.length }
      }
      await stage.runFor(BAD_UNTIL_MS + HOUR_MS)
      assert.ok(during !== undefined && during.requests >= 2)
      assert.ok(Date.parse(during.status.certificate?.notAfter ?? '') > stage.clock.nowMs())
      assert.equal(during.status.problem?.code, row.code)
      assert.match(during.status.problem.nextAttemptAt ?? '', /^2026-/)
      assert.notEqual(during.status.state, 'healthy')
      const tried = stage.lines.filter(({ fields }) => fields['code'] === row.code).length
      assert.ok(tried >= 10 && tried <= BAD_UNTIL_MS / (30 * 1000), String(tried))
      assert.ok(row.isMended(stage))
      assert.deepEqual([stage.status.state, stage.status.joined], ['healthy', true])
    })
})

describe('Loop: the link is lost, an older good pair stands, and files.certificates cannot be written', () => {
  const LINK = `${PAIRS}/kubelet-client-current.pem`

  /** Lost an hour before its renewal is due; from then on, for `forMs`, nothing can be written there. */
  async function lost(forMs: number): Promise<Stage> {
    const stage = new Stage({ configuration: configurationWith({ discovery: pinless }), maxReports: 50_000 })
    await stage.runFor(HOUR_MS)
    const renewAtMs = Date.parse(stage.status.certificate?.renewAt ?? '')
    stage.clock.afterSleep = () => undefined
    stage.clock.pass(renewAtMs - stage.clock.nowMs() - HOUR_MS)
    const { clock, files, cluster } = stage
    files.entries.delete(LINK)
    const endMs = clock.monotonicMs() + forMs
    files.fault = (method, path) => {
      if (clock.monotonicMs() < endMs && isChange(method) && path.startsWith(PAIRS))
        throw new BootstrapError('storage-read-only', `${path} cannot be written (EROFS)`)
    }
    return new Stage({ maxReports: 50_000, clock, files, cluster })
  }

  it('the renewal is asked for as the node meanwhile, and installed once the disk can be written', async () => {
    const stage = await lost(12 * HOUR_MS)
    const told = new Set<string | undefined>()
    stage.onReport = ({ problem }) => told.add(problem?.code)
    await stage.runFor(13 * HOUR_MS)
    assert.deepEqual(
      stage.cluster.posts.map(({ requester }) => requester),
      ['bootstrap', 'node'],
    )
    assert.ok(told.has('storage-read-only'))
    assert.deepEqual([stage.status.state, stage.status.joined], ['healthy', true])
    assert.equal(stage.files.entries.get(LINK)?.kind, 'link')
  })

  it('the link is put back as soon as it can be, also while the renewal waits for approval', async () => {
    const stage = await lost(2 * HOUR_MS)
    stage.cluster.verdict = 'leave'
    await stage.runFor(3 * HOUR_MS + 5 * MINUTE_MS)
    assert.equal(stage.files.entries.get(LINK)?.kind, 'link')
    assert.equal(stage.cluster.posts.length, 2)
  })
})
