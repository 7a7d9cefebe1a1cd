/** What can happen to a node, as commands that fast-check puts into sequences and takes away again until the fault is bare. */
import fc from 'fast-check'
import type { Reachability } from '../harness/simulation/http.ts'
import { PATHS, type Verdict } from '../harness/simulation/world.ts'
import type { Life } from './life.ts'

type Command = fc.AsyncCommand<object, Life>

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS

/** `what` is how a failing sequence shows it. */
const command = (what: string, run: (life: Life) => Promise<void> | void): Command => ({
  check: () => true,
  run: async (_model, life) => {
    await run(life)
    await life.rest()
  },
  toString: () => what,
})

const oneOf = <Value>(...values: Value[]): fc.Arbitrary<Value> => fc.constantFrom(...values)

const time = oneOf(SECOND_MS, 30 * SECOND_MS, 3 * MINUTE_MS, 11 * MINUTE_MS).map((ms) =>
  command(`${ms / 1000} s pass`, (life) => life.pass(ms)),
)

/** Both clocks go on while no timer does, and the cluster collects what has grown old meanwhile. */
const suspend = oneOf(2 * HOUR_MS, 20 * HOUR_MS, 23 * HOUR_MS, 40 * HOUR_MS).map((ms) =>
  command(`suspended for ${ms / HOUR_MS} h`, async (life) => {
    life.world.clock.step(ms)
    life.world.collectRequests()
    await life.pass(2 * MINUTE_MS)
  }),
)

const clockStep = oneOf(
  -40 * 24 * HOUR_MS,
  -3 * HOUR_MS,
  -MINUTE_MS,
  2 * MINUTE_MS,
  3 * HOUR_MS,
  40 * 24 * HOUR_MS,
).map((ms) =>
  command(`the clock is stepped by ${ms / 1000} s`, async (life) => {
    life.world.stepNodeClock(ms)
    await life.pass(MINUTE_MS)
  }),
)

/** While something is under way, and may be failing. */
const suddenStep = fc.tuple(fc.nat(70), oneOf(-3 * HOUR_MS, -MINUTE_MS, 3 * HOUR_MS)).map(([instants, ms]) =>
  command(`the clock is stepped by ${ms / 1000} s after ${instants} instants`, (life) => {
    life.suddenly(instants, () => {
      life.world.stepNodeClock(ms)
    })
  }),
)

const death = fc
  .record({ instants: fc.nat(70), cut: fc.option(fc.nat(7), { nil: undefined }) })
  .map(({ instants, cut }) =>
    command(`${cut === undefined ? 'killed' : `power cut ${cut}`} after ${instants} instants`, (life) => {
      life.light({ instants, cut })
    }),
  )

const restart = fc.constant(
  command('killed and started again', (life) => {
    life.agent.kill()
  }),
)

const verdict = oneOf<Verdict>('approve', 'deny', 'leave').map((word) =>
  command(`requests from now on: ${word}`, (life) => {
    life.judge(word)
  }),
)

/** As by `kubectl delete csr --all`, which asks nobody how far a request has come. */
const deletion = fc.nat(70).map((instants) =>
  command(`all requests are deleted after ${instants} instants`, (life) => {
    life.suddenly(instants, () => {
      life.world.deleteRequests()
    })
  }),
)

const collection = fc.constant(
  command('old requests are collected', ({ world }) => {
    world.collectRequests()
  }),
)

const network = oneOf<Reachability>('reachable', 'refusing', 'silent', 'slow').map((reachability) =>
  command(`the control plane is ${reachability}`, ({ world }) => {
    world.network.reachability = reachability
    if (reachability === 'refusing' || reachability === 'silent') world.network.cut()
  }),
)

const arrival = fc.constant(command('what was on its way arrives', (life) => life.letArrive()))

const token = oneOf(
  command('the token has expired', (life) => {
    life.world.cluster.deleteToken(life.world.token.split('.')[0] ?? '')
    life.isTokenGood = false
  }),
  command('the token is renewed', (life) => life.renewToken()),
)

const edit = oneOf<Record<string, unknown>>(
  { certificate: { keyAlgorithm: 'ECDSA-P384' } },
  { certificate: { keyAlgorithm: 'ECDSA-P256' } },
  { certificate: { duration: '20h' } },
  { certificate: { rotation: { window: [0.1, 0.2] } } },
  { certificate: { rotation: { owner: 'kubelet' } } },
  { certificate: { serving: { addresses: ['10.0.0.21'] } } },
  { certificate: { serving: { addresses: ['10.0.0.22'] }, duration: '20h' } },
  { hooks: { afterJoin: [{ command: ['/bin/true'] }], afterRenew: [{ command: ['/bin/true'] }] } },
).map((sections) => command(`join.yaml: ${JSON.stringify(sections)}`, (life) => life.edit(sections)))

const move = fc
  .boolean()
  .map((isMeant) =>
    command(`join.yaml leads to the other cluster${isMeant ? '' : ' by mistake'}`, (life) =>
      life.changeClusters(isMeant),
    ),
  )

const disk = fc.boolean().map((isFull) =>
  command(isFull ? 'the disk is full' : 'the disk has room', ({ world }) => {
    world.disk.tree.isFull = isFull
  }),
)

const damage = oneOf<[string, string | undefined]>(
  [PATHS.current, undefined],
  [PATHS.certificates, undefined],
  [PATHS.current, 'half a'],
  [PATHS.kubeconfig, undefined],
  [PATHS.pendingRequest, undefined],
  [`${PATHS.state}/cluster.json`, '{'],
).map(([path, content]) =>
  command(`${path} ${content === undefined ? 'is deleted' : 'is spoiled'}`, async (life) => {
    life.damage(path, content)
    await life.pass(MINUTE_MS)
  }),
)

const kubeletRenews = fc.constant(
  command('the kubelet renews, where that is left to it', (life) => life.renewAsKubelet()),
)

const reset = fc
  .boolean()
  .map((all) => command(`reset${all ? ' --kubelet-files' : ''} and a start`, (life) => life.reset(all)))

const hangUp = fc.constant(command('SIGHUP', (life) => life.agent.reload()))

export const commands = [
  time,
  time,
  suspend,
  clockStep,
  suddenStep,
  death,
  death,
  restart,
  verdict,
  deletion,
  collection,
  network,
  arrival,
  token,
  edit,
  move,
  disk,
  damage,
  kubeletRenews,
  reset,
  hangUp,
]
