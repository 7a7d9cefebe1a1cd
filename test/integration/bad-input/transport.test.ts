import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import type { DevCluster } from '../../../src/dev-cluster/dev-cluster.ts'
import type { Fault, RecordedRequest } from '../../../src/dev-cluster/tls-server.ts'
import { EXIT, type ErrorCode, type ExitStatus } from '../../../src/lib/error-codes.ts'
import { freePorts } from '../../harness/free-ports.ts'
import { assertEndedWith, createScene, itConcurrently, waitForJoin, waitForProblem } from './scene.ts'

const json = { 'Content-Type': 'application/json' }

// eslint-disable-next-line @typescript-eslint/require-await -- it is asynchronous because it has no end
async function* endless(): AsyncGenerator<string> {
  for (;;) yield '{"kind":"ConfigMap",'.repeat(1000)
}

interface FaultRow {
  name: string
  fault: () => Fault
  code: ErrorCode
  exit: ExitStatus
}

const faults: readonly FaultRow[] = [
  {
    name: 'an answer that never comes',
    fault: () => 'hang',
    code: 'timed-out',
    exit: EXIT.unavailable,
  },
  {
    name: 'HTML',
    fault: () => ({ status: 200, headers: { 'Content-Type': 'text/html' }, body: '<html>Welcome to the hotel</html>' }),
    code: 'not-kubernetes',
    exit: EXIT.protocol,
  },
  {
    name: 'truncated JSON',
    fault: () => ({ status: 200, headers: json, body: '{"kind":"ConfigMap","data":{' }),
    code: 'not-kubernetes',
    exit: EXIT.protocol,
  },
  {
    name: 'a body that is cut off',
    fault: () => ({
      status: 200,
      headers: { ...json, 'Content-Length': '1000', Connection: 'close' },
      body: '{"kind"',
    }),
    code: 'connection-lost',
    exit: EXIT.unavailable,
  },
  {
    name: 'a body of 2 MiB',
    fault: () => ({ status: 200, headers: json, body: Buffer.alloc(2 * 1024 * 1024, ' ') }),
    code: 'body-too-large',
    exit: EXIT.protocol,
  },
  {
    name: 'a body without end',
    fault: () => ({ status: 200, headers: json, body: endless() }),
    code: 'body-too-large',
    exit: EXIT.protocol,
  },
  { name: 'a cut connection', fault: () => 'destroy', code: 'connection-lost', exit: EXIT.unavailable },
]

const CLUSTER_RECORD = 'var/lib/node-bootstrap/cluster.json'

const places = [
  { place: 'cluster-info', isThere: ({ path }: RecordedRequest) => path.endsWith('/cluster-info') },
  {
    place: 'certificate requests',
    isThere: ({ path }: RecordedRequest) => path.includes('/certificatesigningrequests'),
  },
] as const

const answering =
  (isThere: (request: RecordedRequest) => boolean, fault: () => Fault): DevCluster['respond'] =>
  (request) =>
    isThere(request) ? fault() : undefined

/** Instead of an API server. */
const servers = [
  {
    name: 'a port that accepts and never says a word',
    serve: () => createServer(() => undefined),
    code: 'timed-out',
    exit: EXIT.unavailable,
  },
  {
    name: 'plain HTTP',
    serve: () => createHttpServer((_request, response) => response.end('hello')),
    code: 'not-kubernetes',
    exit: EXIT.protocol,
  },
  {
    name: 'a port that speaks first, and something else than TLS',
    serve: () => createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.9\r\n')),
    code: 'not-kubernetes',
    exit: EXIT.protocol,
  },
  {
    name: 'a connection that is reset at once',
    serve: () => createServer((socket) => socket.resetAndDestroy()),
    code: 'connection-lost',
    exit: EXIT.unavailable,
  },
  { name: 'nothing that listens', serve: undefined, code: 'connection-refused', exit: EXIT.unavailable },
] as const

async function onceAgainstFault(place: (typeof places)[number], { fault, code, exit }: FaultRow): Promise<void> {
  await using scene = await createScene({ veteran: true })
  scene.cluster.respond = answering(place.isThere, fault)
  const before = await scene.snapshot()
  assertEndedWith(await scene.once(), code, exit)
  const after = await scene.snapshot()
  // What was verified on the way there is kept.
  if (place !== places[0]) after[CLUSTER_RECORD] = before[CLUSTER_RECORD] ?? ''
  assert.deepEqual(after, before)
}

async function onceAgainstServer({ serve, code, exit }: (typeof servers)[number]): Promise<void> {
  await using scene = await createScene({ veteran: true })
  const server = serve?.()
  const port = server === undefined ? (await freePorts(1))[0] : await listen(server)
  try {
    await scene.configure({ discovery: { token: { endpoints: [`127.0.0.1:${port ?? 0}`] }, timeout: '1s' } })
    const before = await scene.snapshot()
    const outcome = await scene.once()
    assertEndedWith(outcome, code, exit)
    for (const { message } of outcome.problems) assert.ok(message.includes(`127.0.0.1:${port ?? 0}`), message)
    assert.deepEqual(await scene.snapshot(), before)
  } finally {
    server?.close()
  }
}

describe('what is no answer', () => {
  const rows = [
    ...places.flatMap((place) =>
      faults.map((row) => ({
        name: `${row.name}, from ${place.place}`,
        code: row.code,
        check: () => onceAgainstFault(place, row),
      })),
    ),
    ...servers.map((row) => ({ name: row.name, code: row.code, check: () => onceAgainstServer(row) })),
  ]
  // A request's own ten seconds pass while the others run.
  const isSlow = ({ code }: { code: ErrorCode }): boolean => code === 'timed-out'
  itConcurrently([...rows.filter(isSlow), ...rows.filter((row) => !isSlow(row))], ({ check }) => check(), 8)

  for (const { place, isThere } of places)
    it(`from ${place} does not end the daemon, which goes through all of it and joins`, async () => {
      await using scene = await createScene({ veteran: true })
      const { cluster } = scene
      const quick = faults.filter((row) => row.code !== 'timed-out')
      const [first] = quick
      assert.ok(first !== undefined)
      cluster.respond = answering(isThere, first.fault)
      const agent = scene.daemon()
      for (const { fault, code } of quick) {
        const from = agent.lines.length
        cluster.respond = answering(isThere, fault)
        if (fault !== first.fault) agent.kill('SIGHUP')
        const { retryInSeconds = 0 } = await waitForProblem(agent, code, from)
        assert.ok(retryInSeconds >= 0.2 && retryInSeconds <= 120, String(retryInSeconds))
      }
      cluster.respond = undefined
      agent.kill('SIGHUP')
      await waitForJoin(agent)
      assert.equal(cluster.listCertificateSigningRequests().length, 1)
    })

  it('because nothing listens does not end the daemon, which joins as soon as the port answers', async () => {
    await using scene = await createScene()
    await scene.cluster.stop()
    const agent = scene.daemon()
    await waitForProblem(agent, 'connection-refused')
    await scene.cluster.start()
    await waitForJoin(agent)
  })
})

async function listen(server: Server): Promise<number> {
  server.on('connection', (socket) => socket.on('error', () => undefined))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
