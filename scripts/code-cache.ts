/** Lets the bundle join the embedded control plane once, and keeps beside it what V8 compiled for that: docs/adr/0006. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startDevCluster } from '../src/dev-cluster/dev-cluster.ts'

const root = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

const directory = process.argv[2] ?? root('dist')
const scratch = await mkdtemp(join(tmpdir(), 'node-bootstrap-build-'))
const cluster = await startDevCluster()
try {
  const configuration = join(scratch, 'join.yaml')
  await writeFile(configuration, joinConfiguration(), { mode: 0o600 })
  // The seed keeps what V8 would draw at random out of the bytes.
  const program = ['--random-seed=1', root('scripts/record-code-cache.ts'), directory]
  await promisify(execFile)(process.execPath, [...program, 'run', '--once', '--config', configuration])
} finally {
  await cluster.stop()
  await rm(scratch, { recursive: true, force: true })
}

function joinConfiguration(): string {
  const { endpoint, caCertHash } = cluster
  return `apiVersion: node-bootstrap/v1
kind: JoinConfiguration
node: {name: build}
discovery:
  token:
    endpoints: ["${endpoint}"]
    token: ${cluster.createToken()}
    caCertHashes: ["${caCertHash}"]
files:
  kubeconfig: ${scratch}/kubelet.conf
  ca: ${scratch}/ca.crt
  certificates: ${scratch}/pki
  state: ${scratch}/state
  runtime: ${scratch}/run
`
}
