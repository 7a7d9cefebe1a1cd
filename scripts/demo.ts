/** The demo: every step of a join and a renewal as it happens, with the trust decision behind it. It touches only its own directory. */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { lstat, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { startDevCluster, type DevCluster } from '../src/dev-cluster/dev-cluster.ts'
import { textAt } from '../src/lib/json.ts'

/** Seconds; short enough to see a renewal, which comes at 70 to 90 % of it. */
const CERTIFICATE_SECONDS = 12
const NODE = 'demo-worker'

const isTerminal = process.stdout.isTTY && process.stdin.isTTY
const bold = (text: string): string => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text)
const dim = (text: string): string => (process.stdout.isTTY ? `\u001b[2m${text}\u001b[0m` : text)
const beganMs = performance.now()
const seconds = (): string => ((performance.now() - beganMs) / 1000).toFixed(1).padStart(5)

const step = (text: string): void => {
  console.log(`${dim(seconds())}  ${bold(text)}`)
}
const detail = (text: string): void => {
  console.log(`       ${text}`)
}

type Agent = ChildProcessByStdio<null, null, Readable>

class Interrupted extends Error {}

const program = (): string => fileURLToPath(new URL('../dist/node-bootstrap.cjs', import.meta.url))

const directory = await mkdtemp(join(tmpdir(), 'node-bootstrap-demo-'))
const inDirectory = (path: string): string => join(directory, path)

const cluster = await startDevCluster({ approval: 'manual', certificateDurationMs: CERTIFICATE_SECONDS * 1000 })
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    interrupted.abort()
  })
try {
  process.exitCode = await demonstrate(cluster)
} catch (thrown) {
  if (!(thrown instanceof Interrupted) && !interrupted.signal.aborted) throw thrown
  console.log('\n       not approved; the demo ends, and its files are removed')
  process.exitCode = 130
} finally {
  await cluster.stop()
  await rm(directory, { recursive: true, force: true })
}

async function demonstrate(control: DevCluster): Promise<number> {
  step('An embedded control plane is up')
  detail(`${control.endpoint}, with its own CA; approval is manual; certificates live ${CERTIFICATE_SECONDS} s`)
  const configuration = await writeConfiguration(control)
  step('join.yaml: an address, a bootstrap token, and the pin of the cluster’s CA')
  detail('The token proves the cluster to the node (and the node to the cluster).')
  detail('The pin proves it even against somebody who has the same token.')
  const agent = spawn(process.execPath, [program(), 'run', '--config', configuration], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(agent, 'exit')
  interrupted.signal.addEventListener('abort', () => agent.kill('SIGTERM'))
  try {
    const joined = await follow(agent, control)
    if (joined) await summarise(control, configuration)
    if (interrupted.signal.aborted) throw new Interrupted()
    return joined ? 0 : 1
  } finally {
    agent.kill('SIGTERM')
    await ended
  }
}

async function writeConfiguration(control: DevCluster): Promise<string> {
  const path = inDirectory('join.yaml')
  const text = `apiVersion: node-bootstrap/v1
kind: JoinConfiguration
node:
  name: ${NODE}
discovery:
  token:
    endpoints: ["${control.endpoint}"]
    token: ${control.createToken()}
    caCertHashes: ["${control.caCertHash}"]
files:
  kubeconfig: ${inDirectory('etc/kubelet.conf')}
  ca: ${inDirectory('etc/pki/ca.crt')}
  certificates: ${inDirectory('pki')}
  state: ${inDirectory('state')}
  runtime: ${inDirectory('run')}
log: {format: json}
`
  await writeFile(path, text, { mode: 0o600 })
  return path
}

/** Narrates the agent's log until one renewal is done; false when the agent ends, or fails for good, before. */
async function follow(agent: Agent, control: DevCluster): Promise<boolean> {
  let installed = 0
  for await (const line of createInterface({ input: agent.stderr })) {
    const event: unknown = JSON.parse(line)
    const message = textAt(event, 'message') ?? ''
    const value = (name: string): string => textAt(event, name) ?? ''
    switch (message) {
      case 'the cluster is verified':
        step('The cluster is verified, and only now trusted')
        for (const sentence of value('by').split('; ')) detail(`· ${sentence}`)
        break
      case 'a new key is made':
        step(
          installed === 0
            ? 'A private key is made; it never leaves this machine'
            : 'Before the certificate ends: a new key',
        )
        detail(`${value('algorithm')}, ${value('fingerprint')}`)
        break
      case 'the request waits for approval':
        await approve(control, value('request'), value('fingerprint'), installed > 0)
        break
      case 'the certificate is installed':
        installed += 1
        step(installed === 1 ? 'Issued, checked, installed' : 'Renewed: the link moved to the new pair in one step')
        detail('Checked first: our key, our name, client use, validity, and the chain to the verified CA.')
        break
      case 'joined':
        if (installed > 1) return true
        await showFiles()
        step(`The API server takes the new identity: GET its own Node answers ${await ownNodeStatus(control)}`)
        detail('404 means: authenticated and allowed; the kubelet has not registered the Node object yet.')
        step(`Waiting for the renewal, at ${value('renewAt').slice(11, 19)} UTC`)
        break
      default:
        if (['warn', 'error'].includes(value('level'))) detail(`${value('level')}: ${message}`)
    }
  }
  return false
}

async function approve(control: DevCluster, name: string, fingerprint: string, isRenewal: boolean): Promise<void> {
  if (isRenewal) {
    step('The renewal is asked for with the node’s own certificate; no token is needed any more')
    detail('(A real cluster’s controller approves renewals by itself; here the demo does.)')
  } else {
    step('The request waits for a person, for as long as it takes')
    detail(`kubectl certificate approve ${name}`)
    detail(`Compare the key first: ${fingerprint}, as the request in the cluster has it (README.md says how).`)
    if (isTerminal && !(await isConfirmed('       Approve it? Press Enter. '))) throw new Interrupted()
  }
  control.approve(name)
  detail('approved')
}

/** False where the person ends the demo instead of pressing Enter. */
async function isConfirmed(question: string): Promise<boolean> {
  const prompt = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await new Promise<boolean>((resolve) => {
    prompt.question(question, () => {
      resolve(true)
    })
    prompt.once('close', () => {
      resolve(false)
    })
  })
  prompt.close()
  return answer
}

async function showFiles(): Promise<void> {
  step(`The files, below ${directory}`)
  // The status is being replaced all the time: what is hidden is on its way.
  const names = await readdir(directory, { recursive: true })
  const paths = names
    .filter((name) => !/(^|\/)\./.test(name) && !name.endsWith('.lock'))
    .map(inDirectory)
    .sort()
  for (const path of paths) {
    const entry = await lstat(path)
    if (entry.isDirectory()) continue
    const target = entry.isSymbolicLink() ? ` → ${relative(join(path, '..'), await readlink(path))}` : ''
    const mode = entry.isSymbolicLink() ? 'link' : (entry.mode & 0o777).toString(8).padStart(4, '0')
    detail(`${mode}  ${relative(directory, path)}${target}`)
  }
}

/** As the kubelet would ask, with the files that the agent wrote. */
async function ownNodeStatus(control: DevCluster): Promise<number | undefined> {
  const pair = await readFile(inDirectory('pki/kubelet-client-current.pem'))
  const ca = await readFile(inDirectory('etc/pki/ca.crt'))
  const request = get(`https://${control.endpoint}/api/v1/nodes/${NODE}`, { ca, cert: pair, key: pair, agent: false })
  const [response] = (await once(request, 'response')) as [{ statusCode?: number; resume: () => void }]
  response.resume()
  return response.statusCode
}

async function summarise(control: DevCluster, configuration: string): Promise<void> {
  const requests = control.listCertificateSigningRequests()
  step('Done: joined, and renewed once')
  detail(
    `${requests.length} requests for ${requests.length} keys; the renewed pair answers ${await ownNodeStatus(control)}`,
  )
  detail('A real cluster: README.md, "A first real join"')
  detail(`(this demo’s ${relative(directory, configuration)} and all its files are removed now)`)
}
