import assert from 'node:assert/strict'
import { takeInventory } from '../../../src/agent/inventory.ts'
import { DEFAULT_FILES } from '../../../src/config/schema.ts'
import { askForRenewal } from '../../../src/store/asked-renewal.ts'
import { replaceFile } from '../../../src/store/durable-file.ts'
import { markJoined } from '../../../src/store/status-file.ts'
import { HOUR_MS } from './fixtures.ts'
import { Stage } from './loop-stage.ts'

/** A machine that has joined, on which a renewal was asked for and a write was interrupted. */
async function joined(): Promise<Stage> {
  const stage = new Stage()
  await stage.runFor(HOUR_MS)
  await askForRenewal(stage.files, DEFAULT_FILES.state, 'ab'.repeat(32))
  await replaceFile(stage.files, `${DEFAULT_FILES.certificates}/.node-bootstrap-new`, 'a key', 0o600)
  await replaceFile(stage.files, `${DEFAULT_FILES.runtime}/status.json`, '{}', 0o644)
  await markJoined(stage.files, DEFAULT_FILES.runtime, true)
  await replaceFile(stage.files, '/etc/kubernetes/other.conf', 'of somebody else', 0o600)
  return stage
}

const going = async ({ files }: Stage, includeKubeletFiles: boolean): Promise<string[]> =>
  (await takeInventory(files, DEFAULT_FILES, includeKubeletFiles))
    .filter(({ isKept }) => !isKept)
    .map(({ path }) => path)

describe('takeInventory', () => {
  it('counts what the agent keeps for itself, a leftover key too, and shows what the kubelet uses as kept', async () => {
    const stage = await joined()
    assert.deepEqual(await going(stage, false), [
      '/var/lib/kubelet/pki/.node-bootstrap-new',
      '/run/node-bootstrap/status.json',
      '/var/lib/node-bootstrap/asked-renewal.json',
      '/var/lib/node-bootstrap/keys-made.json',
      '/var/lib/node-bootstrap/cluster.json',
    ])
    const kept = (await takeInventory(stage.files, DEFAULT_FILES, false)).filter(({ isKept }) => isKept)
    assert.deepEqual(
      kept.map(({ path }) => path.replace(/\d{4}(-\d\d){5}/, 'TIME')),
      [
        '/run/node-bootstrap/joined',
        '/etc/kubernetes/kubelet.conf',
        '/var/lib/kubelet/pki/kubelet-client-current.pem',
        '/var/lib/kubelet/pki/kubelet-client-TIME.pem',
        '/etc/kubernetes/pki/ca.crt',
      ],
    )
  })

  it('with the files of the kubelet leaves nothing of the agent, and nothing else is touched', async () => {
    const stage = await joined()
    for (const path of await going(stage, true)) await stage.files.remove(path)
    assert.deepEqual([...stage.files.entries.keys()], ['/etc/kubernetes/other.conf'])
    assert.deepEqual(await takeInventory(stage.files, DEFAULT_FILES, true), [])
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
})
