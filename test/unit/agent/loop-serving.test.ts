/** The serving certificate beside the node's own: neither holds the other up, and a changed address means another request. */
import assert from 'node:assert/strict'
import type { JoinConfiguration } from '../../../src/config/index.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { parseCertificates } from '../../../src/pki/certificate.ts'
import { askForRenewal, askedRenewalPath } from '../../../src/store/asked-renewal.ts'
import { configurationWith, DAY_MS, HOUR_MS, MINUTE_MS } from './fixtures.ts'
import { pinless, renewAsAnother, Stage } from './loop-stage.ts'

const CURRENT = '/var/lib/kubelet/pki/kubelet-server-current.pem'
const SERVING = 'kubernetes.io/kubelet-serving'
const SERVING_STATE = '/var/lib/node-bootstrap/serving'

const servingConfiguration = (serving: Record<string, unknown> = {}): JoinConfiguration =>
  configurationWith({ discovery: pinless, certificate: { serving } })

const servingRequests = ({ cluster }: Stage): typeof cluster.requests =>
  cluster.requests.filter(({ spec }) => spec['signerName'] === SERVING)

const installed = (stage: Stage): ReturnType<typeof parseCertificates>[0]['subjectNames'] | undefined => {
  const [block] =
    /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----\n/.exec(stage.files.text(CURRENT) ?? '') ?? []
  return block === undefined ? undefined : parseCertificates(block)[0].subjectNames
}

/** Calls `then` once, when the status first fits. */
function once(stage: Stage, fits: () => boolean, then: () => void): void {
  const { onReport } = stage
  let isDone = false
  stage.onReport = (status) => {
    onReport(status)
    if (isDone || !fits()) return
    isDone = true
    then()
  }
}

describe('Loop: the serving certificate', () => {
  it('is asked for by the node itself once it has joined, and says while it waits what approves it', async () => {
    const stage = new Stage({ configuration: servingConfiguration() })
    await stage.runFor(HOUR_MS)
    const [request, ...more] = servingRequests(stage)
    assert.equal(more.length, 0)
    assert.equal(request?.requester, 'node')
    assert.deepEqual(request.spec['usages'], ['digital signature', 'server auth'])
    assert.equal(stage.status.state, 'degraded')
    assert.equal(stage.status.problem?.code, 'serving-not-approved')
    assert.match(stage.status.problem.hint, new RegExp(`kubectl certificate approve ${request.name}$`))
    assert.match(stage.status.summary, /nothing in Kubernetes approves these by itself/)
    assert.deepEqual(stage.status.serving?.request?.names, ['worker-1', '10.0.0.21'])
  })

  it('is installed when it is approved, and the node is healthy then', async () => {
    const stage = new Stage({
      configuration: servingConfiguration({ names: ['b', 'a'], addresses: ['fd00::2', '10.0.0.3'] }),
    })
    once(
      stage,
      () => stage.status.serving?.request?.createdAt !== undefined,
      () => {
        stage.cluster.settle(servingRequests(stage)[0]?.name ?? '', 'approve')
      },
    )
    await stage.runFor(HOUR_MS)
    assert.deepEqual(installed(stage), { dnsNames: ['a', 'b'], ipAddresses: ['10.0.0.3', 'fd00::2'] })
    assert.equal(stage.status.state, 'healthy')
    assert.match(stage.status.serving?.summary ?? '', /^the serving certificate is renewed at /)
  })

  it('waits for ever without holding the renewal of the node’s own up', async () => {
    const stage = new Stage({ configuration: servingConfiguration() })
    stage.cluster.certificateMs = HOUR_MS
    await stage.runFor(3 * HOUR_MS)
    const renewals = stage.cluster.requests.filter(
      ({ spec, requester }) => requester === 'node' && spec['signerName'] !== SERVING,
    )
    assert.ok(renewals.length >= 3, String(renewals.length))
    assert.equal(servingRequests(stage).length, 1)
  })

  it('waits without hiding from the node what its clock says', async () => {
    const stage = new Stage({ configuration: servingConfiguration() })
    let steppedAtMs = Infinity
    stage.clock.afterSleep = () => {
      if (steppedAtMs !== Infinity || stage.clock.monotonicMs() < 10 * MINUTE_MS) return
      stage.clock.step(DAY_MS - HOUR_MS)
      steppedAtMs = stage.clock.nowMs()
    }
    await stage.runFor(20 * MINUTE_MS)
    const renewal = stage.cluster.requests.find(
      ({ spec, requester }) => requester === 'node' && spec['signerName'] !== SERVING,
    )
    assert.ok(renewal !== undefined && renewal.createdAtMs <= steppedAtMs + MINUTE_MS)
  })

  it('is looked at once a minute while the node’s own renewal waits, also where another program renews it then', async () => {
    const stage = new Stage({ configuration: servingConfiguration() })
    stage.cluster.servingVerdict = 'approve'
    stage.cluster.certificateMs = 5 * HOUR_MS
    stage.onReport = ({ state, serving }) => {
      if (state === 'healthy' && serving?.certificate !== undefined) stage.cluster.verdict = 'leave'
    }
    const lifetimesMs = [20 * MINUTE_MS, 3 * DAY_MS]
    let looks = 0
    stage.clock.afterSleep = () => {
      const { step, serving } = stage.status
      if (step !== 'approval') return
      const isDueMs = Date.parse(serving?.certificate?.renewAt ?? '') - stage.clock.nowMs()
      if (lifetimesMs.length === 0) looks += 1
      else if (lifetimesMs.length === 2 || isDueMs <= MINUTE_MS) {
        const notAfterMs = stage.clock.nowMs() + (lifetimesMs.shift() ?? 0)
        const names = { dnsNames: ['worker-1'], ipAddresses: ['10.0.0.21'], extendedKeyUsages: ['serverAuth'] }
        renewAsAnother(stage, 'kubelet-server', { ...names, notAfterMs })
      }
      if (looks === 10) stage.stop()
    }
    await stage.runFor(DAY_MS)
    assert.equal(looks, 10)
    assert.deepEqual(stage.clock.sleeps.slice(-9), Array<number>(9).fill(MINUTE_MS))
  })

  it('has its own hooks, and one that goes on failing holds nothing up', async () => {
    const ran: string[] = []
    const hooks = { afterRenew: [{ command: ['/bin/tell'] }] }
    const stage = new Stage({
      configuration: configurationWith({ discovery: pinless, certificate: { serving: {} }, hooks }),
      processes: {
        run: ({ environment }) => {
          ran.push(
            `${environment['NODE_BOOTSTRAP_CERTIFICATE_KIND'] ?? ''} ${environment['NODE_BOOTSTRAP_CERTIFICATE'] ?? ''}`,
          )
          return Promise.resolve({ kind: 'exited', status: 1 })
        },
      },
    })
    stage.cluster.servingVerdict = 'approve'
    await stage.runFor(HOUR_MS)
    assert.ok(ran.length > 2 && ran.every((each) => each === `serving ${CURRENT}`), ran.join())
    assert.deepEqual([stage.status.state, stage.status.problem?.code], ['degraded', 'hook-failed'])
    assert.ok(stage.status.problem?.nextAttemptAt !== undefined)
  })

  it('that cannot be asked for holds up no renewal, and is asked for when it can be', async () => {
    const stage = new Stage({ configuration: servingConfiguration(), maxReports: 50_000 })
    stage.cluster.certificateMs = HOUR_MS
    let isAway = true
    const { cluster } = stage
    cluster.fault = ({ method, requester }) =>
      isAway && method === 'POST' && requester === 'node' && stage.status.step === undefined
        ? new BootstrapError('server-failed', 'not today')
        : undefined
    stage.clock.afterSleep = () => {
      isAway = stage.clock.monotonicMs() < 2 * HOUR_MS
    }
    await stage.runFor(2 * HOUR_MS - MINUTE_MS)
    assert.equal(servingRequests(stage).length, 0)
    assert.ok(cluster.requests.length >= 3, String(cluster.requests.length))
    assert.equal(stage.status.problem?.code, 'server-failed')
  })

  it('is got, and renewed, while the renewal of the node’s own waits for ever', async () => {
    const certificate = { serving: {}, rotation: { window: [0.2, 0.3] } }
    const stage = new Stage({ configuration: configurationWith({ discovery: pinless, certificate }) })
    stage.cluster.servingVerdict = 'approve'
    stage.cluster.certificateMs = HOUR_MS
    once(
      stage,
      () => stage.status.serving?.certificate !== undefined,
      () => {
        stage.cluster.verdict = 'leave'
        stage.cluster.certificateMs = 10 * MINUTE_MS
        stage.addresses = ['10.0.0.22']
      },
    )
    await stage.runFor(HOUR_MS - 5 * MINUTE_MS)
    const waitsSinceMs = Date.parse(stage.status.request?.createdAt ?? '')
    assert.ok(servingRequests(stage).some(({ createdAtMs }) => createdAtMs > waitsSinceMs))
    assert.ok(Date.parse(stage.status.serving?.certificate?.notAfter ?? '') > stage.clock.nowMs())
  })

  it('is denied without harm to the node’s own, and not asked for again by itself', async () => {
    const stage = new Stage({ configuration: servingConfiguration() })
    stage.cluster.servingVerdict = 'deny'
    stage.cluster.certificateMs = HOUR_MS
    await stage.runFor(2 * HOUR_MS)
    assert.equal(servingRequests(stage).length, 1)
    assert.deepEqual([stage.status.state, stage.status.problem?.code], ['degraded', 'csr-denied'])
    assert.ok(stage.cluster.requests.length >= 3)
  })

  it('is asked for anew when the machine has another address, and the old one serves until then', async () => {
    const stage = new Stage({ configuration: servingConfiguration() })
    stage.cluster.servingVerdict = 'approve'
    once(
      stage,
      () => stage.status.serving?.certificate !== undefined,
      () => {
        stage.cluster.servingVerdict = 'leave'
        stage.addresses = ['10.0.0.22', '10.0.0.21']
      },
    )
    await stage.runFor(10 * MINUTE_MS)
    assert.equal(servingRequests(stage).length, 2)
    assert.deepEqual(installed(stage)?.ipAddresses, ['10.0.0.21'])
    assert.deepEqual(stage.status.serving?.request?.names, ['worker-1', '10.0.0.21', '10.0.0.22'])
    assert.deepEqual([stage.status.state, stage.status.problem?.code], ['degraded', 'serving-not-approved'])
  })

  it('is not asked for anew when an address has gone, or has come back', async () => {
    const stage = new Stage({ configuration: servingConfiguration() })
    stage.addresses = ['10.0.0.21', 'fd00::1']
    stage.cluster.servingVerdict = 'approve'
    stage.clock.afterSleep = () => {
      stage.addresses = stage.addresses.length === 2 ? ['10.0.0.21'] : ['10.0.0.21', 'fd00::1']
    }
    await stage.runFor(HOUR_MS)
    assert.equal(servingRequests(stage).length, 1)
  })

  it('is asked for anew when join.yaml no longer lists an address, or a name, that it is for', async () => {
    const both = { names: ['a', 'b'], addresses: ['10.0.0.21', '10.0.0.22'] }
    const stage = new Stage({ configuration: servingConfiguration(both) })
    stage.cluster.servingVerdict = 'approve'
    const edits = [
      { ...both, addresses: ['10.0.0.21'] },
      { names: ['a'], addresses: ['10.0.0.21'] },
    ]
    stage.clock.afterSleep = () => {
      const edit = edits.shift()
      if (edit !== undefined) stage.loop.reconfigure(servingConfiguration(edit))
    }
    await stage.runFor(HOUR_MS)
    assert.equal(servingRequests(stage).length, 3)
    assert.deepEqual(installed(stage), { dnsNames: ['a'], ipAddresses: ['10.0.0.21'] })
    assert.equal(stage.status.state, 'healthy')
  })

  it('is not asked for without an address, and says so', async () => {
    const stage = new Stage({ configuration: servingConfiguration() })
    stage.addresses = []
    await stage.runFor(HOUR_MS)
    assert.equal(servingRequests(stage).length, 0)
    assert.equal(stage.status.problem?.code, 'addresses-unknown')
  })

  it('is refused where it lacks an address that was asked for', async () => {
    const stage = new Stage({ configuration: servingConfiguration() })
    stage.cluster.servingVerdict = 'approve'
    const { cluster } = stage
    once(
      stage,
      () => stage.status.certificate !== undefined,
      () => {
        cluster.sign = (subjectPublicKeyInfo) =>
          cluster.ca.issue({
            subjectPublicKeyInfo,
            commonName: 'system:node:worker-1',
            organizations: ['system:nodes'],
            extendedKeyUsages: ['serverAuth'],
            dnsNames: ['worker-1'],
            notBeforeMs: stage.clock.nowMs(),
            notAfterMs: stage.clock.nowMs() + DAY_MS,
          }).certificatePem
      },
    )
    await stage.runFor(HOUR_MS)
    assert.equal(stage.files.text(CURRENT), undefined)
    assert.equal(stage.status.problem?.code, 'certificate-wrong')
    assert.match(stage.status.problem.message, /lacks names or addresses/)
  })

  it('makes at most six keys an hour, however often the address changes', async () => {
    const stage = new Stage({ configuration: servingConfiguration() })
    stage.cluster.servingVerdict = 'approve'
    let count = 0
    stage.clock.afterSleep = () => {
      count += 1
      stage.addresses = [`10.0.1.${count % 200}`]
    }
    await stage.runFor(HOUR_MS - MINUTE_MS)
    assert.equal(servingRequests(stage).length, 6)
  })

  it('is not waited for by run --once, but asked for', async () => {
    const stage = new Stage({ configuration: servingConfiguration(), once: 'joined' })
    await stage.run()
    assert.equal(servingRequests(stage).length, 1)
  })

  it('is seen through by a run that is to end with it, and a renewal of it is made once', async () => {
    const before = new Stage({ configuration: servingConfiguration(), once: 'served' })
    once(
      before,
      () => before.status.serving?.request?.createdAt !== undefined,
      () => {
        before.cluster.settle(servingRequests(before)[0]?.name ?? '', 'approve')
      },
    )
    await before.run()
    assert.equal(before.status.state, 'healthy')
    const { clock, files, cluster } = before
    const fingerprint = before.status.serving?.certificate?.fingerprint.replace('SHA256:', '') ?? ''
    await askForRenewal(files, SERVING_STATE, fingerprint)
    cluster.servingVerdict = 'approve'
    const after = new Stage({ configuration: servingConfiguration(), once: 'served', clock, files, cluster })
    await after.run()
    assert.notEqual(after.status.serving?.certificate?.fingerprint, `SHA256:${fingerprint}`)
    assert.equal(servingRequests(after).length, 2)
    assert.equal(files.text(askedRenewalPath(SERVING_STATE)), undefined)
  })

  it('is the end of such a run after discovery.timeout where no address is found', async () => {
    const stage = new Stage({
      configuration: configurationWith({ discovery: pinless, certificate: { serving: {} } }),
      once: 'served',
    })
    stage.addresses = []
    const beganMs = stage.clock.monotonicMs()
    await assert.rejects(stage.runFor(HOUR_MS), { code: 'addresses-unknown' })
    assert.ok(stage.clock.monotonicMs() - beganMs < 6 * MINUTE_MS)
  })

  it('is the end of such a run where its renewal is denied, and stays in force', async () => {
    const before = new Stage({ configuration: servingConfiguration(), once: 'served' })
    before.cluster.servingVerdict = 'approve'
    await before.run()
    const { clock, files, cluster } = before
    const text = files.text(CURRENT)
    await askForRenewal(
      files,
      SERVING_STATE,
      before.status.serving?.certificate?.fingerprint.replace('SHA256:', '') ?? '',
    )
    cluster.servingVerdict = 'deny'
    const after = new Stage({ configuration: servingConfiguration(), once: 'served', clock, files, cluster })
    await assert.rejects(after.run(), { code: 'csr-denied' })
    assert.equal(files.text(CURRENT), text)
  })
})
