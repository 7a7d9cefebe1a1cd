import assert from 'node:assert/strict'
import { BootstrapError } from '../../../src/lib/errors.ts'
import type { FakeCluster } from './fakes.ts'
import { configurationWith, MINUTE_MS, NOW_MS, tokenDiscovery } from './fixtures.ts'
import { pinless, Stage } from './loop-stage.ts'

const unauthorized = new BootstrapError('unauthorized', 'the API server answered 401')

/** The codes that were reported, each once and in order. */
const codesOf = ({ reports }: Stage): string[] => [...new Set(reports.flatMap(({ problem }) => problem?.code ?? []))]

function refuseTheToken(cluster: FakeCluster): void {
  cluster.fault = ({ requester }) => (requester === 'bootstrap' ? unauthorized : undefined)
}

/** A stage whose request waits for approval, and whose agent has ended. */
async function waiting(): Promise<Stage> {
  const stage = new Stage()
  stage.cluster.verdict = 'leave'
  stage.onReport = ({ step }) => {
    if (step === 'approval') stage.stop()
  }
  await stage.run()
  return stage
}

describe('a bootstrap token that is refused', () => {
  it('has expired where it has verified this cluster, and the message says when', async () => {
    const stage = new Stage()
    refuseTheToken(stage.cluster)
    await stage.runFor(5 * MINUTE_MS)
    assert.deepEqual(codesOf(stage), ['token-expired'])
    const { message, hint } = stage.status.problem ?? { message: '', hint: '' }
    assert.ok(message.startsWith(`token abcdef verified this cluster at ${new Date(NOW_MS).toISOString()}`), message)
    assert.match(hint, /kubeadm token create/)
  })

  it('has expired after a restart, too, for cluster.json says what it was good for', async () => {
    const { clock, files, cluster } = await waiting()
    const after = new Stage({ clock, files, cluster })
    refuseTheToken(cluster)
    await after.runFor(5 * MINUTE_MS)
    assert.deepEqual(codesOf(after), ['token-expired'])
  })

  it('of another id than the one that verified the cluster is not said to have expired', async () => {
    const tokenFile = '/etc/node-bootstrap/token'
    const stage = new Stage({
      configuration: configurationWith({
        discovery: { token: { ...(pinless['token'] as object), token: undefined, tokenFile } },
      }),
    })
    await stage.files.createSynced(tokenFile, Buffer.from('abcdef.0123456789abcdef'), 0o600)
    stage.cluster.verdict = 'leave'
    stage.onReport = ({ step }) => {
      if (step !== 'request') return
      refuseTheToken(stage.cluster)
      void stage.files.remove(tokenFile)
      void stage.files.createSynced(tokenFile, Buffer.from('zzzzzz.0123456789abcdef'), 0o600)
    }
    await stage.runFor(5 * MINUTE_MS)
    assert.deepEqual(codesOf(stage), ['unauthorized'])
  })

  it('has expired where it had filed a request, although something else verified the cluster', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'leave'
    await writeKubeconfig(stage)
    stage.loop.reconfigure(byFile())
    stage.onReport = ({ step }) => {
      if (step === 'approval')
        stage.cluster.fault = ({ requester }) => (requester === 'bootstrap' ? unauthorized : undefined)
    }
    await stage.runFor(5 * MINUTE_MS)
    assert.deepEqual(codesOf(stage), ['token-expired'])
    assert.match(stage.status.problem?.message ?? '', /^token abcdef filed a request at 2026/)
  })

  it('was never good where it neither verified the cluster nor filed a request', async () => {
    const stage = new Stage()
    await writeKubeconfig(stage)
    stage.loop.reconfigure(byFile())
    refuseTheToken(stage.cluster)
    await stage.runFor(5 * MINUTE_MS)
    assert.deepEqual(codesOf(stage), ['unauthorized'])
  })
})

describe('a bootstrap token that signs no longer', () => {
  const gone = new BootstrapError('token-unknown', 'no signature for token id abcdef')

  async function rediscovered(discovery: Record<string, unknown>): Promise<string[]> {
    const { clock, files, cluster } = await waiting()
    const after = new Stage({ clock, files, cluster, configuration: configurationWith({ discovery }) })
    cluster.fault = ({ path }) =>
      path.endsWith('/cluster-info') ? gone : new BootstrapError('server-untrusted', 'a test replaced the CA')
    await after.runFor(5 * MINUTE_MS)
    return codesOf(after)
  }

  it('is unknown to a cluster that another configuration leads to', async () => {
    const endpoints = ['10.9.9.9:6443']
    assert.deepEqual(await rediscovered({ token: { ...(pinless['token'] as object), endpoints } }), ['token-unknown'])
  })

  it('has expired where the cluster that it verified is discovered again', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'leave'
    const pin = `sha256:${stage.cluster.ca.caCertHash.replace('sha256:', '')}`
    stage.loop.reconfigure(configurationWith({ discovery: tokenDiscovery({ caCertHashes: [pin] }) }))
    let isReplaced = false
    stage.onReport = ({ step }) => {
      if (step !== 'approval' || isReplaced) return
      isReplaced = true
      stage.cluster.fault = ({ path }) =>
        path.endsWith('/cluster-info') ? gone : new BootstrapError('server-untrusted', 'a test replaced the CA')
      stage.loop.retryNow()
    }
    await stage.runFor(5 * MINUTE_MS)
    assert.deepEqual(codesOf(stage), ['server-untrusted', 'token-expired'])
  })
})

const KUBECONFIG = '/etc/node-bootstrap/cluster.yaml'

const byFile = () =>
  configurationWith({ discovery: { file: { path: KUBECONFIG } }, bootstrap: { token: 'abcdef.0123456789abcdef' } })

async function writeKubeconfig({ files, cluster }: Stage): Promise<void> {
  const data = Buffer.from(cluster.ca.certificatePem).toString('base64')
  const text = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: '', cluster: { server: 'https://10.0.0.10:6443', 'certificate-authority-data': data } }],
  })
  await files.createSynced(KUBECONFIG, Buffer.from(text), 0o600)
}
