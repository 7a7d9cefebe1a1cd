/** What makes a joined agent write, begun while the agent is stopped: so the fault is there before the first write. */
import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentProcess } from '../harness/agent-process.ts'
import type { JoiningNode } from '../harness/joining-node.ts'

export type Episode = (node: JoiningNode, agent: AgentProcess, spoil: () => void | Promise<void>) => Promise<void>

export const renewal: Episode = async (node, agent, spoil) => {
  agent.kill('SIGSTOP')
  assert.equal((await node.command('renew', '--no-wait')).code, 0)
  await spoil()
  agent.kill('SIGCONT')
}

/** All pairs are lost. */
export const rejoin: Episode = async (node, agent, spoil) => {
  agent.kill('SIGSTOP')
  const { certificates } = node.files
  const pairs = (await readdir(certificates)).filter((name) => name.startsWith('kubelet-client-'))
  for (const name of pairs) await rm(join(certificates, name))
  await spoil()
  agent.kill('SIGHUP')
  agent.kill('SIGCONT')
}

export const JOINED = /"message":"joined"/

/** A pair that authenticates, nothing half-written, and a request for each certificate and no more. */
export async function assertWhole(node: JoiningNode, certificates: number): Promise<void> {
  assert.ok((await node.checkCurrentPair()) !== undefined)
  assert.equal(await node.askForOwnNode(), 404)
  assert.equal((await node.requests()).length, certificates, 'a key was lost on the way')
  const left = await readdir(node.directory, { recursive: true })
  // The status is written beside the loop, and may be on its way.
  const kept = left.filter((path) => !path.startsWith('run/'))
  const halfDone = kept.filter((path) => /\.node-bootstrap-new$|pending-request|asked-renewal/.test(path))
  assert.deepEqual(halfDone, [])
}
