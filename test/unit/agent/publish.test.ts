import assert from 'node:assert/strict'
import { HOUR_MS, MINUTE_MS } from './fixtures.ts'
import { Stage } from './loop-stage.ts'

const CA = '/etc/kubernetes/pki/ca.crt'
const KUBECONFIG = '/etc/kubernetes/kubelet.conf'

function put(stage: Stage, path: string, text: string): void {
  stage.files.entries.set(path, { kind: 'file', content: Buffer.from(text), target: '', mode: 0o600, modifiedMs: 0 })
}

const kept = (stage: Stage, path: string): Record<string, string | undefined> =>
  Object.fromEntries(
    [...stage.files.entries.keys()]
      .filter((name) => name.startsWith(`${path}.`))
      .map((name) => [name.slice(path.length), stage.files.text(name)]),
  )

describe('publish: what stood there before', () => {
  it('is kept each time under a name that is free, never overwritten, and once where it is the same', async () => {
    const stage = new Stage()
    const foreign = ['# one\n', '# two\n', '# one\n', '# three\n']
    put(stage, KUBECONFIG, '# zero\n')
    let sleeps = 0
    stage.clock.afterSleep = () => {
      sleeps += 1
      const next = sleeps % 5 === 0 ? foreign.shift() : undefined
      if (next !== undefined) put(stage, KUBECONFIG, next)
    }
    await stage.runFor(HOUR_MS)
    assert.deepEqual(kept(stage, KUBECONFIG), {
      '.before-node-bootstrap': '# zero\n',
      '.before-node-bootstrap.1': '# one\n',
      '.before-node-bootstrap.2': '# two\n',
      '.before-node-bootstrap.3': '# three\n',
    })
    assert.equal(stage.status.state, 'healthy')
    assert.equal(stage.files.entries.get(`${KUBECONFIG}.before-node-bootstrap`)?.mode, 0o600)
    assert.equal(stage.messages('warn').filter((message) => message.includes('is kept')).length, 4)
  })

  it('is kept for ca.crt too', async () => {
    const stage = new Stage()
    put(stage, CA, 'a CA of before')
    await stage.runFor(MINUTE_MS)
    assert.deepEqual(kept(stage, CA), { '.before-node-bootstrap': 'a CA of before' })
  })

  it('is not kept where it was our own', async () => {
    const stage = new Stage()
    await stage.runFor(MINUTE_MS)
    const own = stage.files.text(KUBECONFIG) ?? ''
    put(stage, KUBECONFIG, own.replace('10.0.0.10', '10.0.0.11'))
    const again = new Stage()
    for (const [path, entry] of stage.files.entries) again.files.entries.set(path, entry)
    await again.runFor(MINUTE_MS)
    assert.equal(again.files.text(KUBECONFIG), own)
    assert.deepEqual(kept(again, KUBECONFIG), {})
  })
})
