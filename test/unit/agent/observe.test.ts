import assert from 'node:assert/strict'
import sinon from 'sinon'
import { newMemory } from '../../../src/agent/beginning.ts'
import { discoveryDigest } from '../../../src/agent/digests.ts'
import { observe } from '../../../src/agent/observe.ts'
import { clusterInfoKubeconfig } from '../../../src/dev-cluster/cluster-info.ts'
import { writeClusterRecord } from '../../../src/store/cluster-record.ts'
import { MemoryFiles, VirtualClock } from './fakes.ts'
import { configurationWith, newAuthority, recordFor } from './fixtures.ts'

const PATH = '/etc/node-bootstrap/cluster.yaml'

describe('observe', () => {
  it('reads the kubeconfig of discovery by file once a look, for whom it trusts, what it names and who can read it', async () => {
    const files = new MemoryFiles(new VirtualClock())
    const configuration = configurationWith({ discovery: { file: { path: PATH } } })
    const authority = newAuthority()
    const text = clusterInfoKubeconfig('https://10.0.0.10:6443', authority.certificatePem)
    await files.createSynced(PATH, Buffer.from(text), 0o600)
    const record = { ...recordFor(configuration, authority), configurationDigest: discoveryDigest(configuration) }
    await writeClusterRecord(files, configuration.files.state, record)
    const read = sinon.spy(files, 'read')
    const network = { ownAddresses: () => Promise.resolve([]) }
    const { trust, findings } = await observe(
      files,
      network,
      configuration,
      '/etc/node-bootstrap/join.yaml',
      newMemory(0),
    )
    assert.equal(trust.kind, 'outdated')
    assert.deepEqual(
      findings.map(({ id }) => id),
      ['file-without-ca'],
    )
    assert.equal(read.withArgs(PATH).callCount, 1)
  })
})
