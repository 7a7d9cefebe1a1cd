/** Several endpoints, and the agent as it is run: over real sockets, of which some are of no use or of ill will. */
import assert from 'node:assert/strict'
import { startDevCluster } from '../../../src/dev-cluster/dev-cluster.ts'
import { clusterInfoKubeconfig } from '../../../src/dev-cluster/cluster-info.ts'
import { EXIT } from '../../../src/lib/error-codes.ts'
import { clusterInfoSignature } from '../../harness/cluster-info-signature.ts'
import { DroppingPort } from '../../harness/packet-drop.ts'
import { createScene, DEADLINE_MS } from '../bad-input/scene.ts'

describe('run --once with three endpoints, of which the first drops packets and the second lies', () => {
  it('joins by the third, with no more requests than any join', async () => {
    await using dropping = await DroppingPort.start()
    await using scene = await createScene()
    const { cluster, token } = scene
    const liar = await startDevCluster()
    const [id = '', secret = ''] = token.split('.')
    // It holds the token and signs its own CA with it.
    const kubeconfig = clusterInfoKubeconfig(`https://${liar.endpoint}`, liar.caPem)
    const data = { kubeconfig, [`jws-kubeconfig-${id}`]: clusterInfoSignature(kubeconfig, id, secret) }
    liar.respond = () => ({ status: 200, body: JSON.stringify({ kind: 'ConfigMap', apiVersion: 'v1', data }) })
    try {
      await scene.configure({
        discovery: { token: { endpoints: [dropping.endpoint, liar.endpoint, cluster.endpoint] }, timeout: '1m' },
      })
      const { exit, log, problems, text } = await scene.once()
      assert.equal(exit.code, EXIT.ok, text)
      // One attempt: the silent one did not time out first, and nothing was tried again.
      assert.deepEqual(problems, [])
      assert.ok(log.some(({ message }) => message === 'the cluster is verified'))
      assert.equal(liar.requests.length, 1)
      assert.ok(!liar.requests.some(({ hasAuthorization }) => hasAuthorization), 'a credential was sent to the liar')
      assert.deepEqual(
        cluster.requests.map(({ method, path }) => `${method} ${path.replace(/\?.*|.*\//, '')}`).slice(0, 2),
        ['GET cluster-info', 'GET cluster-info'],
      )
      assert.equal(cluster.requests.length, 6)
    } finally {
      await liar.stop()
    }
  }).timeout(2 * DEADLINE_MS)
})
