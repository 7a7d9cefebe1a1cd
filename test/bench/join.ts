/**
 * What a join costs against a real kube-apiserver with automatic approval, beside a bare Node program that does the same
 * requests: time from exec to certificate and kubeconfig on disk, by phase; requests and connections; memory at rest.
 * Usage: npm run bench [RUNS]. It prints a table for docs/benchmarks.md.
 */
import { build } from 'esbuild'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { spawnAgent } from '../harness/agent-process.ts'
import { writeJoinConfiguration } from '../harness/join-configuration.ts'
import { startRealControlPlane } from '../harness/real-control-plane.ts'
import { TcpProxy } from '../harness/tcp-proxy.ts'

const RUNS = Number(process.argv[2] ?? 10)
/** `kubeadm join` 1.36 with the kubelet's own bootstrap on a 2-core machine: median of 10, 270 to 504 (the figure). */
const KUBEADM_MS = 437
const PROGRAM = join(import.meta.dirname, '../../dist/node-bootstrap.cjs')
const run = promisify(execFile)

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
const range = (values: readonly number[]): string =>
  `${median(values).toFixed(0)} (${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)})`

/** The log line that ends each phase. */
const PHASES = {
  'started, configuration read': /node-bootstrap \S+ starts/,
  'cluster verified': /the cluster is verified/,
  'key made': /a new key is made/,
  'request submitted': /the request waits for approval/,
  'certificate issued': /the certificate is issued/,
  'certificate on disk': /the certificate is installed/,
  'kubeconfig on disk': /the kubeconfig is written/,
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
try {
  await controlPlane.updateClusterInfo((data) => ({
    ...data,
    kubeconfig: (data['kubeconfig'] ?? '').replace(controlPlane.endpoint, proxy.endpoint),
  }))
  const token = await controlPlane.createToken()
  await measure(token)
} finally {
  await proxy.stop()
  await controlPlane.stop()
  await rm(scratch, { recursive: true, force: true })
}

async function measure(token: string): Promise<void> {
  const cache = { NODE_COMPILE_CACHE: join(scratch, 'compile-cache') }
  const samples: Sample[] = []
  const cached: Sample[] = []
  const floors: number[] = []
  await joinOnce(token, 'warm-up', cache)
  for (let index = 0; index < RUNS; index += 1) {
    floors.push(await floorOnce(token, index))
    samples.push(await joinOnce(token, `bench-${index}`, {}))
    cached.push(await joinOnce(token, `bench-cached-${index}`, cache))
  }
  report(samples, cached, floors)
  const rest = await memoryAtRest(token)
  console.log(
    `| resident memory at rest: RSS, PSS | ${rest.agent.rss} kB, ${rest.agent.pss} kB | bare node with https and tls: ${rest.bare.rss} kB, ${rest.bare.pss} kB | ${(rest.agent.rss / rest.bare.rss).toFixed(2)} |`,
  )
}

interface Sample {
  wallMs: number
  /** From exec to the log line that ends the phase. */
  phases: Record<string, number>
  connections: number
  requests: number
}

async function joinOnce(token: string, nodeName: string, environment: Record<string, string>): Promise<Sample> {
  const directory = await mkdtemp(join(scratch, 'join-'))
  const { path } = await writeJoinConfiguration({
    directory,
    controlPlane: { endpoint: proxy.endpoint, caCertHash: controlPlane.caCertHash },
    token,
    nodeName,
    overrides: { log: { level: 'info', format: 'json' } },
  })
  const connectionsBefore = proxy.connections
  const requestsBefore = await countRequests()
  const beganMs = performance.timeOrigin + performance.now()
  const agent = spawnAgent({
    entry: [process.execPath, PROGRAM],
    args: ['run', '--once'],
    configPath: path,
    env: environment,
  })
  const { code } = await agent.exited
  const wallMs = performance.timeOrigin + performance.now() - beganMs
  if (code !== 0) throw new Error(`the join ended with ${code}: ${agent.lines.join('\n')}`)
  const events = agent.stderr.map((line) => JSON.parse(line) as { time: string; message: string })
  const at = (pattern: RegExp): number =>
    Date.parse(events.find(({ message }) => pattern.test(message))?.time ?? '') - beganMs
  return {
    wallMs,
    phases: Object.fromEntries(Object.entries(PHASES).map(([name, pattern]) => [name, at(pattern)])),
    connections: proxy.connections - connectionsBefore,
    requests: (await countRequests()) - requestsBefore,
  }
}

/** Completed requests of the agent, by the API server's own audit log. */
async function countRequests(): Promise<number> {
  const text = await readFile(auditLog, 'utf8').catch(() => '')
  return text
    .split('\n')
    .filter((line) => line.includes('"userAgent":"node-bootstrap/') && line.includes('"stage":"ResponseComplete"'))
    .length
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
  const beganMs = performance.now()
  await run(process.execPath, [floorProgram, proxy.endpoint, token, request])
  return performance.now() - beganMs
}

function report(samples: readonly Sample[], cached: readonly Sample[], floors: readonly number[]): void {
  const column = (of: readonly Sample[], name: string): number[] => of.map((sample) => sample.phases[name] ?? NaN)
  console.log(
    `${RUNS} runs each, ${cpus().length} cores, Kubernetes ${controlPlane.version}, Node ${process.version}\n`,
  )
  console.log('| ms from exec to | median (min to max) | with a compile cache |\n| --- | --- | --- |')
  for (const name of Object.keys(PHASES))
    console.log(`| ${name} | ${range(column(samples, name))} | ${range(column(cached, name))} |`)
  console.log(
    `| end of the process | ${range(samples.map((s) => s.wallMs))} | ${range(cached.map((s) => s.wallMs))} |\n`,
  )
  const done = (of: readonly Sample[]): number => median(column(of, 'kubeconfig on disk'))
  const floorMs = median(floors)
  console.log('| figure | node-bootstrap | beside | ratio |\n| --- | --- | --- | --- |')
  console.log(
    `| exec to certificate and kubeconfig | ${done(samples).toFixed(0)} ms | the same requests by bare Node: ${range(floors)} ms | ${(done(samples) / floorMs).toFixed(2)} |`,
  )
  console.log(
    `| the same, with a compile cache | ${done(cached).toFixed(0)} ms | the same floor | ${(done(cached) / floorMs).toFixed(2)} |`,
  )
  console.log(
    `| the same, without a compile cache | ${done(samples).toFixed(0)} ms | kubeadm join 1.36, measured elsewhere: ${KUBEADM_MS} ms | ${(done(samples) / KUBEADM_MS).toFixed(2)} |`,
  )
  console.log(`| requests | ${Math.max(...samples.map((s) => s.requests))} | kubeadm join: 9 | |`)
  console.log(`| connections | ${Math.max(...samples.map((s) => s.connections))} | | |`)
}

interface Memory {
  rss: number
  pss: number
}

/** From smaps_rollup, in kB. */
async function memoryOf(pid: number): Promise<Memory> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1])
  return { rss: field('Rss'), pss: field('Pss') }
}

/** A joined daemon and a bare Node that has loaded the same core modules, both after the same while at rest. */
async function memoryAtRest(token: string): Promise<{ agent: Memory; bare: Memory }> {
  const directory = await mkdtemp(join(scratch, 'rest-'))
  const { path } = await writeJoinConfiguration({
    directory,
    controlPlane: { endpoint: proxy.endpoint, caCertHash: controlPlane.caCertHash },
    token,
    nodeName: 'bench-rest',
    overrides: { log: { level: 'info', format: 'json' } },
  })
  await using agent = spawnAgent({ entry: [process.execPath, PROGRAM], args: ['run'], configPath: path })
  const bare = spawn(
    process.execPath,
    ['-e', "require('node:https'); require('node:tls'); setInterval(() => {}, 60000)"],
    { stdio: 'ignore' },
  )
  try {
    await agent.waitForLine(/"message":"joined"/)
    await delay(20_000)
    return { agent: await memoryOf(agent.pid), bare: await memoryOf(bare.pid ?? 0) }
  } finally {
    bare.kill()
    await once(bare, 'exit')
  }
}
