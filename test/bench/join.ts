/**
 * What a join costs against a real kube-apiserver with automatic approval, beside the peer (`kubeadm join` and the kubelet)
 * and beside a bare Node program that does the same requests, all in turn in one run: time from exec to certificate and
 * kubeconfig on disk, by phase; requests and connections. What it costs at rest: rest.ts.
 * Usage: [KUBEADM=PATH KUBELET=PATH] npm run bench [RUNS]. It prints the tables of docs/benchmarks.md.
 */
import { build } from 'esbuild'
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { codeCachePath } from '../../scripts/code-cache-paths.ts'
import { spawnAgent } from '../harness/agent-process.ts'
import { writeJoinConfiguration } from '../harness/join-configuration.ts'
import { startRealControlPlane } from '../harness/real-control-plane.ts'
import { TcpProxy } from '../harness/tcp-proxy.ts'
import { PACKAGED_ENVIRONMENT, PACKAGED_OPTIONS } from './as-packaged.ts'
import { HostileEndpoints } from './hostile-endpoints.ts'
import { Peer, PEER_VARIANTS, type PeerVariant } from './peer.ts'
import { median, range } from './statistics.ts'

const RUNS = Number(process.argv[2] ?? 10)
const DIST = join(import.meta.dirname, '../../dist')
const run = promisify(execFile)

/** The log line that ends each phase. */
const PHASES = {
  'started, configuration read': /node-bootstrap \S+ starts/,
  'cluster verified': /the cluster is verified/,
  'key made': /a new key is made/,
  'request submitted': /the request waits for approval/,
  'certificate issued': /the certificate is issued/,
  'certificate on disk': /the certificate is installed/,
  'kubeconfig on disk': /the kubeconfig is written/,
  'certificate accepted': /^joined$/,
} as const

const scratch = await mkdtemp(join(tmpdir(), 'node-bootstrap-bench-'))
const floorProgram = join(scratch, 'floor.mjs')
// As JavaScript: Node would take its time to strip the types of the source.
await build({
  entryPoints: [join(import.meta.dirname, 'floor.ts')],
  outfile: floorProgram,
  platform: 'node',
  format: 'esm',
})
const auditPolicy = join(scratch, 'audit.yaml')
const auditLog = join(scratch, 'audit.log')
await writeFile(
  auditPolicy,
  'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n',
)
const controlPlane = await startRealControlPlane({
  approval: 'automatic',
  extraApiServerFlags: [`--audit-policy-file=${auditPolicy}`, `--audit-log-path=${auditLog}`],
})
const proxy = await TcpProxy.start(controlPlane.endpoint)
/** Where the joins go: what is timed directly, what is counted through the proxy, which takes time of its own. */
let endpoint = controlPlane.endpoint
try {
  await measure(await controlPlane.createToken(), await Peer.find(scratch, controlPlane))
} finally {
  await proxy.stop()
  await controlPlane.stop()
  await rm(scratch, { recursive: true, force: true })
}

interface Cost {
  /** From exec to certificate and kubeconfig on disk. */
  doneMs: number
  connections: number
  requests: number
}

interface Sample extends Cost {
  wallMs: number
  /** From exec to the log line that ends the phase. */
  phases: Record<string, number>
}

interface Samples {
  /** In one more join, through the proxy. */
  counted: { agent: Cost; peer: Cost | undefined }
  bare: number[]
  floor: number[]
  cached: Sample[]
  /** By the third of three endpoints: the first drops packets, and the second lies. */
  hostile: Sample[]
  uncached: Sample[]
  peer: Record<PeerVariant, Cost[]>
}

async function measure(token: string, peer: Peer | string): Promise<void> {
  const uncachedProgram = join(scratch, 'uncached')
  await cp(DIST, uncachedProgram, { recursive: true })
  await rm(codeCachePath(uncachedProgram))
  const taken: Omit<Samples, 'counted'> = {
    bare: [],
    floor: [],
    cached: [],
    hostile: [],
    uncached: [],
    peer: { 'as kubeadm sets it up': [], 'with serverTLSBootstrap': [] },
  }
  await using hostile = await HostileEndpoints.start(controlPlane, token)
  for (let index = 0; index < RUNS; index += 1) {
    taken.bare.push(await timed(['-e', '0']))
    taken.floor.push(await floorOnce(token, index))
    taken.cached.push(await joinOnce(DIST, token, `bench-${index}`))
    taken.hostile.push(await joinOnce(DIST, token, `bench-hostile-${index}`, [...hostile.endpoints, endpoint]))
    taken.uncached.push(await joinOnce(uncachedProgram, token, `bench-uncached-${index}`))
    if (typeof peer === 'string') continue
    for (const variant of PEER_VARIANTS) taken.peer[variant].push(await peerOnce(peer, variant, token, index))
  }
  report({ ...taken, counted: await count(peer) }, peer)
}

async function count(peer: Peer | string): Promise<Samples['counted']> {
  await controlPlane.updateClusterInfo((data) => ({
    ...data,
    kubeconfig: (data['kubeconfig'] ?? '').replace(endpoint, proxy.endpoint),
  }))
  endpoint = proxy.endpoint
  // A new one is there only when cluster-info, as it is now, is signed with it.
  const token = await controlPlane.createToken()
  return {
    agent: await joinOnce(DIST, token, 'bench-counted'),
    peer: typeof peer === 'string' ? undefined : await peerOnce(peer, PEER_VARIANTS[0], token, RUNS),
  }
}

async function timed(args: readonly string[]): Promise<number> {
  const beganMs = performance.now()
  await run(process.execPath, args)
  return performance.now() - beganMs
}

async function configurationFor(
  token: string,
  nodeName: string,
  endpoints: readonly string[] = [endpoint],
): Promise<{ path: string }> {
  return await writeJoinConfiguration({
    directory: await mkdtemp(join(scratch, 'join-')),
    controlPlane: { endpoint, caCertHash: controlPlane.caCertHash },
    token,
    nodeName,
    overrides: { discovery: { token: { endpoints } }, log: { level: 'info', format: 'json' } },
  })
}

async function joinOnce(
  program: string,
  token: string,
  nodeName: string,
  endpoints?: readonly string[],
): Promise<Sample> {
  const { path } = await configurationFor(token, nodeName, endpoints)
  const connectionsBefore = proxy.connections
  const requestsBefore = await countRequests(isOfTheAgent)
  const beganMs = performance.timeOrigin + performance.now()
  const agent = spawnAgent({
    entry: [process.execPath, ...PACKAGED_OPTIONS, join(program, 'node-bootstrap.cjs')],
    env: PACKAGED_ENVIRONMENT,
    args: ['run', '--once'],
    configPath: path,
  })
  const { code } = await agent.exited
  const wallMs = performance.timeOrigin + performance.now() - beganMs
  if (code !== 0) throw new Error(`the join ended with ${code}: ${agent.lines.join('\n')}`)
  const events = agent.stderr.map((line) => JSON.parse(line) as { time: string; message: string })
  const at = (pattern: RegExp): number =>
    Date.parse(events.find(({ message }) => pattern.test(message))?.time ?? '') - beganMs
  return {
    wallMs,
    doneMs: at(PHASES['kubeconfig on disk']),
    phases: Object.fromEntries(Object.entries(PHASES).map(([name, pattern]) => [name, at(pattern)])),
    connections: proxy.connections - connectionsBefore,
    requests: (await countRequests(isOfTheAgent)) - requestsBefore,
  }
}

async function peerOnce(peer: Peer, variant: PeerVariant, token: string, index: number): Promise<Cost> {
  await peer.configure(variant)
  const nodeName = `peer-${PEER_VARIANTS.indexOf(variant)}-${index}`
  const connectionsBefore = proxy.connections
  const requestsBefore = await countRequests(isOfThePeer)
  let connections = NaN
  const { ms } = await peer.join({ endpoint, caCertHash: controlPlane.caCertHash, token, nodeName }, () => {
    connections = proxy.connections - connectionsBefore
  })
  return { doneMs: ms, connections, requests: (await countRequests(isOfThePeer)) - requestsBefore }
}

function isOfTheAgent(line: string): boolean {
  return line.includes('"userAgent":"node-bootstrap/')
}

/** Up to its certificate: what it asks with that is no part of a join. */
function isOfThePeer(line: string): boolean {
  return /"userAgent":"kube(adm|let)\//.test(line) && /"username":"system:(anonymous|bootstrap:)/.test(line)
}

/** By the API server's own audit log, in which a watch has two lines. */
async function countRequests(isMeant: (line: string) => boolean): Promise<number> {
  const text = await readFile(auditLog, 'utf8').catch(() => '')
  return new Set(
    text
      .split('\n')
      .filter(isMeant)
      .map((line) => /"auditID":"([^"]+)"/.exec(line)?.[1]),
  ).size
}

async function floorOnce(token: string, index: number): Promise<number> {
  const [key, request] = [join(scratch, `floor-${index}.key`), join(scratch, `floor-${index}.csr`)]
  await run('openssl', [
    'req',
    '-new',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    key,
    '-out',
    request,
    '-subj',
    `/O=system:nodes/CN=system:node:floor-${index}`,
  ])
  return await timed([floorProgram, endpoint, token, request])
}

function report({ counted, bare, floor, cached, hostile, uncached, peer: peers }: Samples, peer: Peer | string): void {
  const column = (of: readonly Sample[], name: string): number[] => of.map((sample) => sample.phases[name] ?? NaN)
  const row = (...cells: readonly (string | number)[]): void => {
    console.log(`| ${cells.join(' | ')} |`)
  }
  const named = typeof peer === 'string' ? `not measured: ${peer}` : peer.version
  console.log(
    `${RUNS} runs each in turn, ${cpus().length} cores, Kubernetes ${controlPlane.version}, Node ${process.version}; node -e 0 takes ${range(bare)} ms; kubeadm and kubelet: ${named}\n`,
  )
  row('ms from exec to', 'median (min to max)', 'without the code cache')
  row('---', '---', '---')
  for (const name of Object.keys(PHASES)) row(name, range(column(cached, name)), range(column(uncached, name)))
  row('end of the process', range(cached.map((s) => s.wallMs)), range(uncached.map((s) => s.wallMs)))

  const done = median(cached.map((s) => s.doneMs))
  const doneUncached = median(uncached.map((s) => s.doneMs))
  console.log()
  row('figure', 'node-bootstrap', 'beside', 'ratio')
  row('---', '---', '---', '---')
  const time = 'exec to certificate and kubeconfig'
  for (const [variant, costs] of Object.entries(peers)) {
    if (costs.length === 0) continue
    const times = costs.map((cost) => cost.doneMs)
    const name = `kubeadm join and kubelet, ${variant}`
    row(time, `${done.toFixed(0)} ms`, `${name}: ${range(times)} ms`, (done / median(times)).toFixed(2))
    row(
      `${time}, without the code cache`,
      `${doneUncached.toFixed(0)} ms`,
      'the same',
      (doneUncached / median(times)).toFixed(2),
    )
  }
  for (const what of ['requests', 'connections'] as const) {
    const ofThePeer = counted.peer === undefined ? '' : `kubeadm join and kubelet: ${counted.peer[what]}`
    row(what, counted.agent[what], ofThePeer, '')
  }
  row(
    time,
    `${done.toFixed(0)} ms`,
    `the same requests by bare Node: ${range(floor)} ms`,
    (done / median(floor)).toFixed(2),
  )
  const hostileTimes = hostile.map((sample) => sample.doneMs)
  row(
    `${time} by the third endpoint: the first drops packets, the second lies`,
    `${range(hostileTimes)} ms`,
    `by one good endpoint: ${done.toFixed(0)} ms`,
    (median(hostileTimes) / done).toFixed(2),
  )
}
