/** One node of a behaviour test: its directory and join.yaml, its agent as a child process, and what can be seen of both. */
import { execFile } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { CertificateSigningRequest } from 'kubernetes-types/certificates/v1.js'
import type { Status } from '../../src/agent/status.ts'
import { AdminClient } from './admin-client.ts'
import { spawnAgent, type AgentProcess, type Exit } from './agent-process.ts'
import type { ControlPlane } from './control-plane.ts'
import { eventually } from './eventually.ts'
import { joinFiles, writeJoinConfiguration, type JoinFiles } from './join-configuration.ts'

const run = promisify(execFile)
const repository = join(import.meta.dirname, '../..')

/** For what takes milliseconds on a quiet machine. */
export const DEADLINE_MS = 60_000

export interface NodeOptions {
  directory: string
  controlPlane: ControlPlane
  name: string
  token: string
  overrides?: Readonly<Record<string, unknown>>
}

export class JoiningNode {
  readonly name: string
  readonly directory: string
  readonly controlPlane: ControlPlane
  readonly files: JoinFiles
  readonly configPath: string
  /** Of every agent that is started from now on, beside this process's own. */
  readonly environment: Record<string, string> = {}
  readonly #agents: AgentProcess[] = []
  #token: string

  private constructor({ directory, controlPlane, name, token }: NodeOptions) {
    this.name = name
    this.directory = directory
    this.controlPlane = controlPlane
    this.#token = token
    this.files = joinFiles(directory)
    this.configPath = join(directory, 'join.yaml')
  }

  static async create(options: NodeOptions): Promise<JoiningNode> {
    const node = new JoiningNode(options)
    await node.configure(options.overrides)
    return node
  }

  get currentPath(): string {
    return join(this.files.certificates, 'kubelet-client-current.pem')
  }

  /** Writes join.yaml anew. */
  async configure(overrides: Readonly<Record<string, unknown>> = {}, token = this.#token): Promise<void> {
    this.#token = token
    const { directory, controlPlane, name: nodeName } = this
    await writeJoinConfiguration({ directory, controlPlane, token, nodeName, overrides })
  }

  start(...args: string[]): AgentProcess {
    return this.#spawn({ args: ['run', ...args], configPath: this.configPath, env: this.#environment() })
  }

  /** An agent that dies at `crashPoint`: see crash-at.ts. */
  startToCrash(crashPoint: string): AgentProcess {
    const preload = join(import.meta.dirname, 'crash-at.ts')
    return this.#spawn({
      args: ['run'],
      configPath: this.configPath,
      env: { ...this.#environment(), NODE_BOOTSTRAP_CRASH_AT: crashPoint },
      entry: [process.execPath, '--import', preload, join(repository, 'src/cli/main.ts')],
    })
  }

  /** Starts an agent with `run --once` and waits for its end. */
  async runOnce(...args: string[]): Promise<Exit & { agent: AgentProcess }> {
    const agent = this.start('--once', ...args)
    return { ...(await agent.exited), agent }
  }

  /** Runs another command on this node's join.yaml, to its end. */
  async command(...args: string[]): Promise<Exit & { agent: AgentProcess }> {
    const agent = this.#spawn({ args, configPath: this.configPath, env: this.#environment() })
    return { ...(await agent.exited), agent }
  }

  /** Kills what still runs. */
  async stop(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent[Symbol.asyncDispose]()))
  }

  #environment(): Record<string, string | undefined> {
    return { ...noServiceManager, ...this.environment }
  }

  #spawn(options: Parameters<typeof spawnAgent>[0]): AgentProcess {
    const agent = spawnAgent(options)
    this.#agents.push(agent)
    return agent
  }

  async status(): Promise<Status | undefined> {
    const text = await readFile(join(this.files.runtime, 'status.json'), 'utf8').catch(() => undefined)
    return text === undefined ? undefined : (JSON.parse(text) as Status)
  }

  /** The first status of which `isIt` holds; rejects where `agent` ends before. */
  async statusWhere(agent: AgentProcess, what: string, isIt: (status: Status) => boolean): Promise<Status> {
    return eventually(
      `status of ${this.name}: ${what}`,
      { deadlineMs: DEADLINE_MS, hopeless: endOf(agent) },
      async () => {
        const status = await this.status()
        if (status?.program.pid === agent.pid && isIt(status)) return status
        throw new Error(`the status is ${JSON.stringify(status)}; the agent wrote\n${agent.lines.join('\n')}`)
      },
    )
  }

  joined(agent: AgentProcess): Promise<Status> {
    return this.statusWhere(agent, 'healthy', ({ state }) => state === 'healthy')
  }

  /** Those of this node in the cluster, oldest first. */
  async requests(): Promise<CertificateSigningRequest[]> {
    const all = await this.controlPlane.listCertificateSigningRequests()
    const names = await Promise.all(all.map(({ spec }) => subjectOfRequest(spec.request)))
    return all.filter((_csr, index) => names[index] === `CN=system:node:${this.name},O=system:nodes`).toSorted(byAge)
  }

  /** The only one; throws where there is none or another. */
  async request(): Promise<CertificateSigningRequest> {
    const [only, ...others] = await this.requests()
    if (only !== undefined && others.length === 0) return only
    throw new Error(`${this.name} has ${others.length + (only === undefined ? 0 : 1)} requests, not one`)
  }

  async current(): Promise<{ pem: string; certificate: X509Certificate }> {
    const pem = await readFile(this.currentPath, 'utf8')
    return { pem, certificate: new X509Certificate(pem) }
  }

  /** Undefined where there is no current pair; throws where there is a broken one. */
  async checkCurrentPair(): Promise<X509Certificate | undefined> {
    const pem = await readFile(this.currentPath, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    })
    if (pem === undefined) return undefined
    const certificate = new X509Certificate(pem)
    if (!certificate.checkPrivateKey(createPrivateKey(pem)))
      throw new Error('the current pair does not belong together')
    return certificate
  }

  /** What the API server, verified by this node's ca.crt, answers to this node that asks for its own Node object. */
  async askForOwnNode(): Promise<number> {
    const { pem } = await this.current()
    const port = Number(new URL(`https://${this.controlPlane.endpoint}`).port)
    const caPem = await readFile(this.files.ca, 'utf8')
    const client = new AdminClient({ port, caPem, identity: { certificate: pem, key: pem } })
    try {
      return (await client.send('GET', `/api/v1/nodes/${this.name}`)).status
    } finally {
      client.close()
    }
  }
}

const noServiceManager = { NOTIFY_SOCKET: undefined, JOURNAL_STREAM: undefined, CREDENTIALS_DIRECTORY: undefined }

/** Oldest first; the API's times have a precision of a second, within which its versions tell. */
const byAge = ({ metadata: one }: CertificateSigningRequest, { metadata: other }: CertificateSigningRequest): number =>
  Date.parse(one?.creationTimestamp ?? '') - Date.parse(other?.creationTimestamp ?? '') ||
  Number(one?.resourceVersion) - Number(other?.resourceVersion)

async function endOf(agent: AgentProcess): Promise<never> {
  const { code, signal } = await agent.exited
  throw new Error(`the agent ended (${signal ?? String(code)}):\n${agent.lines.join('\n')}`)
}

/** `openssl` with `input` on its standard input. */
export async function openssl(args: readonly string[], input = ''): Promise<string> {
  const running = run('openssl', [...args])
  // One that reads no input may be gone before it is written.
  running.child.stdin?.on('error', () => undefined)
  running.child.stdin?.end(input)
  return (await running).stdout
}

const subjects = new Map<string, Promise<string>>()

/** As openssl reads it: an implementation that shares no line with the one that made it. */
function subjectOfRequest(base64: string): Promise<string> {
  const known = subjects.get(base64)
  if (known !== undefined) return known
  const pem = Buffer.from(base64, 'base64').toString('latin1')
  const subject = openssl(['req', '-noout', '-subject', '-nameopt', 'RFC2253'], pem).then((text) =>
    text.trim().replace(/^subject=\s*/, ''),
  )
  subjects.set(base64, subject)
  return subject
}
