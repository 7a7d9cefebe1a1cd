import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import type { ConfigMap } from 'kubernetes-types/core/v1.js'
import { AdminClient } from '../../harness/admin-client.ts'
import { spawnAgent } from '../../harness/agent-process.ts'
import { clusterInfoSignature } from '../../harness/cluster-info-signature.ts'
import { eventually } from '../../harness/eventually.ts'
import { CLUSTER_INFO_PATH } from '../../harness/kube-objects.ts'
import {
  realControlPlaneAvailability,
  startRealControlPlane,
  type RealControlPlane,
} from '../../harness/real-control-plane.ts'

const availability = await realControlPlaneAvailability()
const title = availability.available ? availability.version : `skipped: ${availability.reason}`

const CSR_PATH = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const NODE_SIGNER = 'kubernetes.io/kube-apiserver-client-kubelet'

describe(`a real control plane (${title})`, function () {
  this.timeout(240_000)
  let controlPlane: RealControlPlane

  before(async function () {
    if (!availability.available || !availability.hasControllerManager) this.skip()
    controlPlane = await startRealControlPlane({ approval: 'manual' })
  })

  after(async () => {
    if (availability.available && availability.hasControllerManager) await controlPlane.stop()
  })

  const clusterInfo = async (): Promise<Record<string, string>> => {
    const { body } = await controlPlane.admin('GET', CLUSTER_INFO_PATH)
    return { ...(body as ConfigMap).data }
  }

  it('signs cluster-info for a token, and no longer when the token is deleted', async () => {
    const token = await controlPlane.createToken()
    const [id = '', secret = ''] = token.split('.')
    const data = await clusterInfo()
    assert.match(token, /^[a-z0-9]{6}\.[a-z0-9]{16}$/)
    assert.equal(data[`jws-kubeconfig-${id}`], clusterInfoSignature(data['kubeconfig'] ?? '', id, secret))

    await controlPlane.deleteToken(id)
    assert.equal(`jws-kubeconfig-${id}` in (await clusterInfo()), false)
  })

  it('makes a token that may authenticate but not sign', async () => {
    const token = await controlPlane.createToken({ signing: false })
    assert.equal(`jws-kubeconfig-${token.slice(0, 6)}` in (await clusterInfo()), false)
  })

  it('changes cluster-info', async () => {
    await controlPlane.updateClusterInfo((data) => ({ ...data, note: 'from a test' }))
    assert.equal((await clusterInfo())['note'], 'from a test')
  })

  it('lists, approves, denies and deletes certificate requests', async () => {
    assert.deepEqual(await controlPlane.listCertificateSigningRequests(), [])
    for (const name of ['wanted', 'unwanted']) {
      const { status } = await controlPlane.admin('POST', CSR_PATH, nodeRequest(name, 'example.com/nobody'))
      assert.equal(status, 201)
    }
    await controlPlane.approve('wanted')
    await controlPlane.deny('unwanted', 'NotToday', 'ask again tomorrow')

    const found = await controlPlane.listCertificateSigningRequests()
    const decisions = new Map(
      found.map(({ metadata, status }) => [
        metadata?.name,
        status?.conditions?.map(({ type, reason }) => [type, reason]),
      ]),
    )
    assert.deepEqual(decisions.get('wanted'), [['Approved', 'ApprovedByTest']])
    assert.deepEqual(decisions.get('unwanted'), [['Denied', 'NotToday']])

    await controlPlane.deleteCertificateSigningRequest('wanted')
    await controlPlane.deleteCertificateSigningRequest('unwanted')
    assert.deepEqual(await controlPlane.listCertificateSigningRequests(), [])
  })

  it('comes back on the same port with its state', async () => {
    const token = await controlPlane.createToken()
    await controlPlane.stopApiServer()
    await assert.rejects(controlPlane.admin('GET', '/readyz'), { code: 'ECONNREFUSED' })
    await controlPlane.startApiServer()
    assert.equal(`jws-kubeconfig-${token.slice(0, 6)}` in (await clusterInfo()), true)
  })

  it('runs beside another one, which approves and signs by itself and lets nobody in without credentials', async () => {
    const other = await startRealControlPlane({ anonymousAuth: false, certificateDurationMs: 600_000 })
    try {
      const port = Number(other.endpoint.split(':')[1])
      const client = new AdminClient({ port, caPem: other.caPem })
      const authorization = `Bearer ${await other.createToken()}`
      assert.equal((await client.send('GET', CLUSTER_INFO_PATH)).status, 401)

      const posted = await client.send('POST', CSR_PATH, nodeRequest('node', NODE_SIGNER), { authorization })
      assert.equal(posted.status, 201, JSON.stringify(posted.body))
      const certificate = await eventually('the certificate is issued', { deadlineMs: 60_000 }, async () => {
        const [csr] = await other.listCertificateSigningRequests()
        return csr?.status?.certificate
      })
      client.close()
      const issued = new X509Certificate(Buffer.from(certificate, 'base64'))
      assert.equal(issued.subject, 'O=system:nodes\nCN=system:node:worker-1')
      assert.ok(Date.parse(issued.validTo) - Date.now() <= 600_000)
      assert.ok(issued.checkIssued(new X509Certificate(other.caPem)))
    } finally {
      await other.stop()
    }
  })

  it('ends with the process that started it, however that ends', async () => {
    await using owner = spawnAgent({
      entry: [process.execPath, join(import.meta.dirname, 'fixture-owner.ts')],
      args: [],
    })
    const pid = Number(await owner.waitForLine(/^\d+$/))
    process.kill(pid, 0)
    owner.kill('SIGKILL')
    await owner.exited
    await eventually('the orphan is gone', { deadlineMs: 10_000 }, () => Promise.resolve(isGone(pid)))
  })

  it('leaves no process and no directory', async () => {
    const { pids, directory } = controlPlane.traces
    assert.equal(pids.length, 3)
    await controlPlane.stop()
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
    assert.equal(existsSync(directory), false)
  })
})

function nodeRequest(name: string, signerName: string): Record<string, unknown> {
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: {
      request: Buffer.from(NODE_REQUEST).toString('base64'),
      signerName,
      // 1.20 approves no kubelet's request without key encipherment, whatever its key; newer ones take both.
      usages: ['digital signature', 'client auth', 'key encipherment'],
    },
  }
}

function isGone(pid: number): true | undefined {
  try {
    process.kill(pid, 0)
    return undefined
  } catch {
    return true
  }
}

/** From `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /O=system:nodes/CN=system:node:worker-1`; nobody has the key. */
const NODE_REQUEST = `-----BEGIN CERTIFICATE REQUEST-----
MIHyMIGYAgEAMDYxFTATBgNVBAoMDHN5c3RlbTpub2RlczEdMBsGA1UEAwwUc3lz
dGVtOm5vZGU6d29ya2VyLTEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATZbobH
I1vu4JDjPT3TcSq8FTheyL6+RRJXsj894AI2h9skhU4vshC77dkroBCmntQ2LSbQ
BFyUiaQg37wHv0etoAAwCgYIKoZIzj0EAwIDSQAwRgIhAIn8E3QPEaKMgD7+PpLH
z8kXl5U9qdxW8v+2XfQf8P9OAiEA2+DtIxSk6d+mlKTWlus1fKcHzjHYH+S2JmYF
Beye81U=
-----END CERTIFICATE REQUEST-----
`
