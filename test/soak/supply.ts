/** A node that has lost its certificate, and whose token is no longer good, is given a new one: how soon does it ask for a certificate? */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Status } from '../../src/agent/status.ts'
import type { EmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { JoiningNode } from '../harness/joining-node.ts'

export type Place = 'tokenFile' | 'join.yaml'

export interface SupplyOptions {
  controlPlane: EmbeddedControlPlane
  /** Empty; the node's files are put there. */
  directory: string
  /** Where the token stands, and the new one is written. */
  place: Place
  /** At most five: the budget of an hour. */
  runs: number
}

/** By then the request must be there: the agent would have tried again by itself only later. */
const LONG_PAUSE_MS = 5000

/** From the moment before each token is written to the arrival of the request, in ms. */
export async function supplyTokens({ controlPlane, directory, place, runs }: SupplyOptions): Promise<number[]> {
  const tokenFile = join(directory, 'token')
  const discovery = { token: { token: undefined, tokenFile } }
  let token = await controlPlane.createToken()
  await writeFile(tokenFile, token, { mode: 0o600 })
  const overrides = place === 'tokenFile' ? { discovery } : {}
  const node = await JoiningNode.create({ directory, controlPlane, name: 'supplied', token, overrides })
  const delaysMs: number[] = []
  try {
    const agent = node.start()
    for (let run = 0; run < runs; run += 1) {
      await node.joined(agent)
      await controlPlane.deleteToken(token.split('.')[0] ?? '')
      await rm(node.files.certificates, { recursive: true })
      agent.kill('SIGHUP')
      const status = await node.statusWhere(agent, 'a long pause', (each) => {
        const isHelpless = each.problem?.code === 'rejoin-needs-credential'
        return isHelpless && nextAttemptMs(each) - Date.now() > LONG_PAUSE_MS
      })
      token = await controlPlane.createToken()
      const arrival = nextRequest(controlPlane)
      const writtenMs = performance.now()
      if (place === 'tokenFile') await writeFile(tokenFile, token)
      else await node.configure(overrides, token)
      delaysMs.push((await arrival) - writtenMs)
      if (Date.now() >= nextAttemptMs(status)) throw new Error(`${place}: the request came with the next attempt`)
      await node.joined(agent)
    }
    return delaysMs
  } finally {
    await node.stop()
  }
}

const nextAttemptMs = ({ problem }: Status): number => Date.parse(problem?.nextAttemptAt ?? '')

/** When the next certificate signing request arrives, by the monotonic clock. */
function nextRequest({ cluster }: EmbeddedControlPlane): Promise<number> {
  return new Promise((resolve) => {
    cluster.respond = ({ method, path }) => {
      if (method === 'POST' && path.includes('/certificatesigningrequests')) resolve(performance.now())
      return undefined
    }
  })
}
