import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { takeInventory } from '../../../src/agent/inventory.ts'
import { metricsText } from '../../../src/agent/metrics.ts'
import { DEFAULT_FILES } from '../../../src/config/schema.ts'
import { askForRenewal } from '../../../src/store/asked-renewal.ts'
import { replaceFile } from '../../../src/store/durable-file.ts'
import { markJoined } from '../../../src/store/status-file.ts'
import { configurationWith, HOUR_MS } from './fixtures.ts'
import { pinless, Stage } from './loop-stage.ts'

const TEXTFILE = '/var/lib/prometheus/node-exporter/node-bootstrap.prom'

const configuration = configurationWith({
  discovery: pinless,
  certificate: { serving: {} },
  hooks: { afterJoin: [{ command: ['/bin/announce'] }] },
  metrics: { textfile: TEXTFILE },
})

/** A machine that has joined and serves, with hooks and metrics, whose agent was killed; on which a renewal was asked for and a write was interrupted. */
async function joined(): Promise<Stage> {
  const stage = new Stage({ configuration })
  stage.cluster.servingVerdict = 'approve'
  await stage.runFor(HOUR_MS)
  await askForRenewal(stage.files, DEFAULT_FILES.state, 'ab'.repeat(32))
  await replaceFile(stage.files, `${DEFAULT_FILES.certificates}/.node-bootstrap-new`, 'a key', 0o600)
  await replaceFile(stage.files, `${DEFAULT_FILES.runtime}/status.json`, '{}', 0o644)
  const status = { ...stage.status, version: 1, program: { version: '1', pid: 1, startTime: '' }, since: '' } as const
  await replaceFile(stage.files, TEXTFILE, metricsText(status, [], 0), 0o644)
  await replaceFile(stage.files, `${dirname(TEXTFILE)}/.node-bootstrap-new`, 'half of the metrics', 0o644)
  await markJoined(stage.files, DEFAULT_FILES.runtime, true)
  await replaceFile(stage.files, '/etc/kubernetes/other.conf', 'of somebody else', 0o600)
  return stage
}

const going = async ({ files }: Stage, includeKubeletFiles: boolean): Promise<string[]> =>
  (await takeInventory(files, configuration, includeKubeletFiles))
    .filter(({ isKept }) => !isKept)
    .map(({ path }) => path)

describe('takeInventory', () => {
  it('counts what the agent keeps for itself, a leftover key too, and shows what the kubelet uses as kept', async () => {
    const stage = await joined()
    assert.deepEqual(await going(stage, false), [
      '/var/lib/kubelet/pki/.node-bootstrap-new',
      '/var/lib/prometheus/node-exporter/.node-bootstrap-new',
      '/run/node-bootstrap/status.json',
      TEXTFILE,
      '/var/lib/node-bootstrap/serving/hooks.json',
      '/var/lib/node-bootstrap/serving/keys-made.json',
      '/var/lib/node-bootstrap/asked-renewal.json',
      '/var/lib/node-bootstrap/hooks.json',
      '/var/lib/node-bootstrap/keys-made.json',
      '/var/lib/node-bootstrap/cluster.json',
    ])
    const kept = (await takeInventory(stage.files, configuration, false)).filter(({ isKept }) => isKept)
    assert.deepEqual(
      kept.map(({ path }) => path.replace(/\d{4}(-\d\d){5}/, 'TIME')),
      [
        '/run/node-bootstrap/joined',
        '/etc/kubernetes/kubelet.conf',
        '/var/lib/kubelet/pki/kubelet-client-current.pem',
        '/var/lib/kubelet/pki/kubelet-client-TIME.pem',
        '/var/lib/kubelet/pki/kubelet-server-current.pem',
        '/var/lib/kubelet/pki/kubelet-server-TIME.pem',
        '/etc/kubernetes/pki/ca.crt',
      ],
    )
  })

  it('with the files of the kubelet leaves nothing of the agent, and nothing else is touched', async () => {
    const stage = await joined()
    for (const path of await going(stage, true)) await stage.files.remove(path)
    assert.deepEqual([...stage.files.entries.keys()], ['/etc/kubernetes/other.conf'])
    assert.deepEqual(await takeInventory(stage.files, configuration, true), [])
  })

  it('finds after a removal that broke off anywhere exactly what was left', async () => {
    const stage = await joined()
    const all = await going(stage, true)
    for (const [index, path] of all.entries()) {
      assert.deepEqual(await going(stage, true), all.slice(index))
      await stage.files.remove(path)
    }
  })

  it('keeps a kubeconfig and a ca.crt that another program has written in their place', async () => {
    const stage = await joined()
    for (const path of [DEFAULT_FILES.kubeconfig, DEFAULT_FILES.ca]) {
      await stage.files.remove(path)
      await replaceFile(stage.files, path, 'of somebody else', 0o600)
    }
    const removed = await going(stage, true)
    assert.ok(!removed.includes(DEFAULT_FILES.kubeconfig) && !removed.includes(DEFAULT_FILES.ca))
  })

  it('takes the pairs that the kubelet made itself with those of the agent: they have the same names', async () => {
    const stage = await joined()
    const path = '/var/lib/kubelet/pki/kubelet-client-2031-01-01-00-00-00.pem'
    await replaceFile(stage.files, path, 'of the kubelet', 0o600)
    const removed = (await takeInventory(stage.files, configuration, true)).filter(({ isKept }) => !isKept)
    assert.ok(removed.some((item) => item.path === path))
  })

  it('keeps metrics that another program has written in their place, of whatever size, and a link to ours', async () => {
    const stage = await joined()
    const moved = '/var/lib/prometheus/node-exporter/moved.prom'
    await stage.files.rename(TEXTFILE, moved)
    const foreign = '# HELP node_load1 Of somebody else.\n'
    for (const text of [foreign, `${stage.files.text(moved) ?? ''}${foreign.repeat(50_000)}`]) {
      await replaceFile(stage.files, TEXTFILE, text, 0o644)
      assert.ok(!(await going(stage, true)).includes(TEXTFILE))
    }
    await stage.files.remove(TEXTFILE)
    await stage.files.symlink(moved, TEXTFILE)
    assert.ok(!(await going(stage, true)).includes(TEXTFILE))
  })

  it('leaves a file of metrics alone that join.yaml does not name', async () => {
    const stage = await joined()
    const unnamed = { ...configuration, metrics: {} }
    const paths = (await takeInventory(stage.files, unnamed, true)).map(({ path }) => path)
    assert.ok(!paths.includes(TEXTFILE))
  })
})
