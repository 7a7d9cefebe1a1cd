import assert from 'node:assert/strict'
import { itConcurrently } from '../integration/bad-input/scene.ts'
import { ProxiedAgent } from './proxied-agent.ts'

/** Attempts that fail before the network is good again; the long form goes on until the pauses are as long as they get. */
const FAILED_ATTEMPTS = process.env['FAULTS'] === 'all' ? 12 : 4
const DELAY_MS = 20

interface Fault {
  name: string
  begin: (agent: ProxiedAgent) => Promise<void> | void
}

const faults: readonly Fault[] = [
  {
    name: 'drops everything',
    begin: (agent) => {
      agent.isSilent = true
      agent.proxy.stall()
    },
  },
  {
    name: 'resets each connection',
    begin: ({ proxy }) => {
      proxy.reset()
    },
  },
  {
    name: 'half-closes each connection',
    begin: ({ proxy }) => {
      proxy.halfClose()
    },
  },
  { name: 'refuses connections', begin: ({ proxy }) => proxy.refuse() },
]

interface Way {
  name: string
  approval: 'automatic' | 'manual'
  /** Up to the moment at which the network fails. */
  before: (agent: ProxiedAgent) => Promise<void>
  /** What is under way when it fails. */
  during: (agent: ProxiedAgent) => Promise<void> | void
  /** That there are in the end. */
  requests: number
}

const approveAll = ({ cluster }: ProxiedAgent): void => {
  for (const { metadata } of cluster.listCertificateSigningRequests()) cluster.approve(metadata.name)
}

const ways: readonly Way[] = [
  {
    name: 'a join',
    approval: 'automatic',
    before: () => Promise.resolve(),
    during: (agent) => {
      agent.start()
    },
    requests: 1,
  },
  {
    name: 'the watch for an approval, which comes meanwhile,',
    approval: 'manual',
    before: (agent) => {
      agent.start()
      return agent.watching(1)
    },
    during: async (agent) => {
      await agent.waitingAfter(1)
      approveAll(agent)
    },
    requests: 1,
  },
  {
    name: 'a renewal',
    approval: 'automatic',
    before: (agent) => {
      agent.start()
      return agent.atRest()
    },
    during: (agent) => agent.renew(),
    requests: 2,
  },
]

const openRequests = ({ cluster }: ProxiedAgent): number =>
  cluster.listCertificateSigningRequests().filter(({ status }) => status.certificate === undefined).length

interface Counts {
  requests: number
  connections: number
  failures: number
}

const countsOf = ({ requests, failures, proxy: { connections } }: ProxiedAgent): Counts => ({
  requests,
  connections,
  failures,
})

/** It never spins: in the course of a fault there is one request, and one connection for it, for each failure that is waited out. */
function checkBounded(agent: ProxiedAgent, from: Counts): void {
  const { requests, connections, failures } = countsOf(agent)
  const waitedOut = failures - from.failures
  assert.ok(requests - from.requests <= waitedOut, `${requests - from.requests} requests for ${waitedOut} failures`)
  assert.ok(connections - from.connections <= waitedOut, `${connections - from.connections} connections`)
}

describe('a proxy between the node and its cluster', () => {
  itConcurrently(
    faults.flatMap((fault) =>
      ways.map((way) => ({ fault, way, name: `that ${fault.name} stops ${way.name} no longer than one backoff` })),
    ),
    async ({ fault, way }) => {
      await using agent = await ProxiedAgent.create(way.approval)
      await way.before(agent)
      const isRenewal = way.requests === 2
      const old = isRenewal ? agent.current : undefined
      const from = countsOf(agent)
      await fault.begin(agent)
      await way.during(agent)
      for (let count = 0; count < FAILED_ATTEMPTS; count += 1) {
        await agent.waitingAfter(from.failures + count + 1)
        checkBounded(agent, from)
        assert.ok(openRequests(agent) <= 1)
        if (isRenewal) assert.deepEqual([agent.current, agent.status?.state], [old, 'degraded'])
        if (count < FAILED_ATTEMPTS - 1) agent.clock.endPause()
      }
      const [first = 0, ...more] = agent.waits.slice(from.failures)
      assert.ok(first >= 0.2 && (more.at(-1) ?? 0) >= 3 * first, `waits of ${agent.waits.join(', ')} s`)

      agent.isSilent = false
      await agent.proxy.comeBack()
      const { failures } = agent
      agent.clock.endPause()
      await agent.atRest()
      assert.equal(agent.failures, failures, agent.lines.join('\n'))
      assert.equal(agent.cluster.listCertificateSigningRequests().length, way.requests)
      if (isRenewal) assert.notEqual(agent.current, old)
    },
    3,
  )

  it('that delays each piece of data costs no failure, and no request more', async () => {
    assert.equal(await joinAndRenew(DELAY_MS), await joinAndRenew(0))
  })
})

async function joinAndRenew(delayMs: number): Promise<number> {
  await using agent = await ProxiedAgent.create('manual')
  agent.proxy.delay(delayMs)
  agent.start()
  await agent.watching(1)
  approveAll(agent)
  await agent.atRest()
  const old = agent.current
  await agent.renew()
  await agent.watching(2)
  approveAll(agent)
  await agent.until(() => agent.current !== old)
  await agent.atRest()
  assert.equal(agent.failures, 0, agent.lines.join('\n'))
  return agent.requests
}
