/** One control plane for a suite of attacks, and for each attack an attacker in front of it and a node that meets them. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCodes, type ErrorCode } from '../../src/lib/error-codes.ts'
import type { AgentProcess } from '../harness/agent-process.ts'
import { assertNothingSecret, Attacker, isClusterInfo, type AttackerOptions } from '../harness/attacker.ts'
import type { ControlPlane, ControlPlaneOptions } from '../harness/control-plane.ts'
import { JoiningNode } from '../harness/joining-node.ts'
import { assertEndedWith, ended, type Ended } from '../integration/bad-input/scene.ts'

export type StartControlPlane = (options: ControlPlaneOptions) => Promise<ControlPlane>

/** `discovery.timeout`: within it a failure that may mend itself is tried again. */
const ATTEMPT = '1s'
/** A first look, a second one and what is tried again within an attempt. */
const MOST_REQUESTS = 8

/** Compiled sources, shared by all children. */
const compileCache = mkdtempSync(join(tmpdir(), 'node-bootstrap-compiled-'))
process.once('exit', () => {
  rmSync(compileCache, { recursive: true, force: true })
})
process.env['NODE_COMPILE_CACHE'] ??= compileCache

export interface Stage extends AsyncDisposable {
  readonly controlPlane: ControlPlane
  readonly attacker: Attacker
  readonly node: JoiningNode
  readonly token: string
  /** Merged into the node's join.yaml, over an endpoint that is the attacker's and the cluster's pin. */
  configure(overrides?: Readonly<Record<string, unknown>>): Promise<void>
}

let count = 0

export async function createStage(
  controlPlane: ControlPlane,
  options: Partial<AttackerOptions> = {},
  overrides: Readonly<Record<string, unknown>> = {},
): Promise<Stage> {
  count += 1
  const directory = await mkdtemp(join(tmpdir(), 'node-bootstrap-adversary-'))
  const token = await controlPlane.createToken()
  const attacker = await Attacker.start({ upstream: controlPlane, ...options })
  const node = await JoiningNode.create({ directory, controlPlane, name: `victim-${count}`, token })
  const configure = (more: Readonly<Record<string, unknown>> = {}): Promise<void> =>
    node.configure({ discovery: { token: { endpoints: [attacker.endpoint] }, timeout: ATTEMPT }, ...more })
  await configure(overrides)
  return {
    controlPlane,
    attacker,
    node,
    token,
    configure,
    [Symbol.asyncDispose]: async () => {
      await node.stop()
      await attacker[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export const secretsOf = (token: string): string[] => [token, token.slice(7)]

/** No file that a kubelet, or the next start of the agent, would believe. */
export async function assertNothingTrusted({ node }: Stage): Promise<void> {
  const { kubeconfig, ca, certificates, state } = node.files
  for (const path of [kubeconfig, ca, join(state, 'cluster.json'), join(state, 'pending-request.pem')])
    assert.ok(!existsSync(path), `${path} was written`)
  if (existsSync(certificates)) assert.deepEqual(await readdir(certificates), [])
}

/** What they saw is a few anonymous looks at cluster-info, and nothing that is worth having. */
export function assertNothingGained({ attacker, token }: Stage, output: string): void {
  assertNothingSecret(attacker, secretsOf(token))
  const { requests } = attacker.proxy
  assert.ok(requests.every(({ method, path }) => method === 'GET' && isClusterInfo({ path })))
  assert.ok(requests.length <= MOST_REQUESTS, `${requests.length} requests`)
  assert.ok(!output.includes(token.slice(7)), 'the secret is printed')
}

/** `run --once` ends with this code and its status, having trusted nothing and told nothing. */
export async function assertRefused(stage: Stage, code: ErrorCode): Promise<Ended> {
  const outcome = await ended(stage.node.start('--once'))
  assertEndedWith(outcome, code, errorCodes[code].exit)
  await assertNothingTrusted(stage)
  assertNothingGained(stage, outcome.text)
  assert.equal((await stage.node.requests()).length, 0, 'a certificate was asked for')
  return outcome
}

export const problemCount = (agent: AgentProcess): number =>
  agent.lines.filter((line) => line.includes('"code":')).length
