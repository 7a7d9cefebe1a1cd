import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import type { AgentProcess } from '../harness/agent-process.ts'
import type { ControlPlane } from '../harness/control-plane.ts'
import { startEmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { tellFigures } from '../harness/figures.ts'
import { DEADLINE_MS, JoiningNode } from '../harness/joining-node.ts'
import { newSeed, seededRandom } from '../harness/seeded-random.ts'
import { temporaryDirectory } from '../harness/temporary-directory.ts'
import { assertPaced, itConcurrently } from '../integration/bad-input/scene.ts'
import { assertWhole, JOINED, rejoin, renewal, type Episode } from './episodes.ts'
import { mountProblem, ScarceDisk } from './scarce-disk.ts'

type Place = 'state' | 'certificates' | 'ca' | 'kubeconfig'

const directoryOf = ({ files }: JoiningNode, place: Place): string =>
  place === 'ca' || place === 'kubeconfig' ? dirname(files[place]) : files[place]

type Spoil = (disk: ScarceDisk, writesLeft: number) => void

const faults = {
  pages: {
    code: 'storage-full',
    spoil: (disk, writesLeft) => {
      disk.leave(writesLeft, 'pages')
    },
  },
  inodes: {
    code: 'storage-full',
    spoil: (disk, writesLeft) => {
      disk.leave(writesLeft, 'inodes')
    },
  },
  'read-only': {
    code: 'storage-read-only',
    spoil: (disk) => {
      disk.forbidWrites()
    },
  },
} satisfies Record<string, { code: string; spoil: Spoil }>
type Fault = keyof typeof faults

const told: Readonly<Record<Fault, string>> = {
  pages: 'no space for one file more',
  inodes: 'no inode for one file more',
  'read-only': 'a mount that becomes read-only',
}

/** Whether a write failed: then that is in the log and in the status, nothing is lost, and the agent goes on by itself. */
async function failsAndMends(
  node: JoiningNode,
  agent: AgentProcess,
  disk: ScarceDisk,
  { code, from, hasPair }: { code: string; from: number; hasPair: boolean },
): Promise<boolean> {
  const failedOrJoined = new RegExp(`"code":"${code}"|${JOINED.source}`)
  const line = await agent.waitForLine(failedOrJoined, { from, timeoutMs: DEADLINE_MS })
  const failed = !line.includes('"message":"joined"')
  if (failed) {
    const { state } = await node.statusWhere(agent, code, ({ problem }) => problem?.code === code)
    assert.ok(hasPair ? state === 'degraded' : state !== 'healthy', state)
    if (hasPair) assert.equal(await node.askForOwnNode(), 404)
  }
  const mended = agent.lines.length
  disk.relieve()
  if (failed) await agent.waitForLine(JOINED, { from: mended, timeoutMs: DEADLINE_MS })
  await node.joined(agent)
  return failed
}

/** The short form lets one write of each row fail; FAULTS=all lets each of them fail in turn. */
const IS_WHOLE = process.env['FAULTS'] === 'all'
const SEED = Number(process.env['FAULTS_SEED'] ?? newSeed())
const random = seededRandom(SEED)

/** Nothing here writes as many files to one directory; a read-only one fails however many are written. */
const mostFailures = (fault: Fault): number => (fault === 'read-only' ? 1 : 8)

interface Row {
  name: string
  /** Undefined: the first join. */
  episode: Episode | undefined
  place: Place
  fault: Fault
  /** How many writes fail in turn, at least, before all come through. */
  failures: number
}

const rowsOf = (what: string, episode: Episode | undefined, fault: Fault, places: [Place, number][]): Row[] =>
  places.map(([place, failures]) => ({
    episode,
    fault,
    place,
    failures,
    name: `${what}, ${told[fault]} where ${place} is kept`,
  }))

const rows = [
  ...rowsOf('a join', undefined, 'pages', [
    ['state', 4],
    ['certificates', 1],
    ['kubeconfig', 1],
  ]),
  ...rowsOf('a join', undefined, 'inodes', [['certificates', 2]]),
  ...rowsOf('a renewal', renewal, 'pages', [
    ['state', 1],
    ['certificates', 1],
  ]),
  ...rowsOf('a renewal', renewal, 'inodes', [['certificates', 2]]),
  ...rowsOf('a renewal', renewal, 'read-only', [
    ['state', 1],
    ['certificates', 1],
  ]),
  ...rowsOf('a join after a loss', rejoin, 'pages', [
    ['state', 2],
    ['certificates', 1],
  ]),
  ...rowsOf('a join after a loss', rejoin, 'inodes', [['certificates', 2]]),
]

const skipped = mountProblem === undefined ? '' : ` (skipped: ${mountProblem})`

;(mountProblem === undefined ? describe : describe.skip)(`a disk that fails a write${skipped}`, () => {
  let controlPlane: ControlPlane
  let nodes = 0
  let failed = 0
  before(async () => {
    controlPlane = await startEmbeddedControlPlane()
  })
  after(async () => {
    tellFigures(
      `${failed} writes failed on a scarce disk${IS_WHOLE ? '' : ` (FAULTS_SEED=${SEED}; FAULTS=all tries each)`}`,
    )
    await controlPlane.stop()
  })

  /** Whether a write failed with only so many allowed; on a node of its own. */
  async function attempt({ episode, place, fault }: Row, writesLeft: number): Promise<boolean> {
    await using directory = await temporaryDirectory()
    const name = `node-${(nodes += 1)}`
    const token = await controlPlane.createToken()
    const node = await JoiningNode.create({ directory: directory.path, controlPlane, name, token })
    const { code, spoil } = faults[fault]
    using disk = new ScarceDisk(directoryOf(node, place))
    if (episode === undefined) spoil(disk, writesLeft)
    await using agent = node.start()
    if (episode !== undefined) {
      await node.joined(agent)
      // The status may say so a step before the log does; what is waited for below is the next one.
      await agent.waitForLine(JOINED, { timeoutMs: DEADLINE_MS })
    }
    const from = agent.lines.length
    await episode?.(node, agent, () => {
      spoil(disk, writesLeft)
    })
    const hasFailed = await failsAndMends(node, agent, disk, { code, from, hasPair: episode === renewal })
    await assertWhole(node, episode === undefined ? 1 : 2)
    assertPaced(agent.lines)
    return hasFailed
  }

  /** Until with so much room all come through. */
  async function failInTurn(row: Row): Promise<void> {
    let failures = 0
    while (failures < mostFailures(row.fault) && (await attempt(row, failures))) failures += 1
    assert.ok(failures >= row.failures, `only ${failures} writes failed`)
    failed += failures
  }

  itConcurrently(
    rows,
    async (row) => {
      if (IS_WHOLE) await failInTurn(row)
      else {
        const writesLeft = Math.floor(random.fraction() * row.failures)
        assert.ok(await attempt(row, writesLeft), `with room for ${writesLeft} no write failed`)
        failed += 1
      }
    },
    3,
  )
})
