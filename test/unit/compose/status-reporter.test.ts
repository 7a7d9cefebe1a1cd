import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import sinon from 'sinon'
import type { StatusBody } from '../../../src/agent/status.ts'
import { StatusReporter } from '../../../src/compose/status-reporter.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import type { Files, Log, Notify } from '../../../src/lib/ports.ts'
import { nodeFiles } from '../../../src/adapters/files.ts'
import { joinedMarkPath, markJoined, readStatusFile } from '../../../src/store/status-file.ts'
import { fieldAt, textAt } from '../../../src/lib/json.ts'
import { turn } from '../../harness/simulation/agent.ts'
import { SimulatedClock } from '../../harness/simulation/clock.ts'
import { useTemporaryDirectory } from '../../harness/temporary-directory.ts'

const body = (summary: string, state: StatusBody['state'] = 'waiting'): StatusBody => ({
  node: 'worker-1',
  state,
  joined: state === 'healthy' || state === 'degraded',
  summary,
  findings: [],
})

describe('StatusReporter', () => {
  let reporters: StatusReporter[]
  // Before the directory's own: nothing is written any more when it goes.
  afterEach(async () => {
    for (const told of reporters) await told.end()
  })
  const directory = useTemporaryDirectory()
  const program = { version: '1', pid: 1, startTime: '2' }
  let clock: SimulatedClock

  const reporter = (files: Files = nodeFiles) => {
    const notify = sinon.stub<Notify>({
      ready: () => Promise.resolve(),
      status: () => Promise.resolve(),
      reloading: () => Promise.resolve(),
      stopping: () => Promise.resolve(),
      watchdog: () => Promise.resolve(),
    })
    notify.status.resolves()
    const log = { error: sinon.spy(), warn: sinon.spy(), info: sinon.spy(), debug: sinon.spy() } satisfies Log
    const it = new StatusReporter({ files, clock, log, notify }, directory.path, program)
    reporters.push(it)
    return { notify, log, it }
  }
  const written = () => readStatusFile(nodeFiles, directory.path)

  beforeEach(() => {
    clock = new SimulatedClock(Date.parse('2026-01-01T00:00:00Z'))
    reporters = []
  })

  it('writes what was reported last', async () => {
    const { it: told } = reporter()
    for (const summary of ['one', 'one', 'two']) told.report(body(summary))
    await told.flush()
    assert.equal(textAt(await written(), 'summary'), 'two')
  })

  describe('systemd', () => {
    const sentencesTold = ({ status }: { status: sinon.SinonStub<[string], Promise<void>> }): string[] =>
      status.args.map(([text]) => text)

    it('is told a sentence once, when it has stood for a second', async () => {
      const { it: told, notify } = reporter()
      told.report(body('one'))
      clock.pass(999)
      told.report(body('one'))
      await turn()
      assert.deepEqual(sentencesTold(notify), [])
      clock.pass(1)
      await turn()
      assert.deepEqual(sentencesTold(notify), ['one'])
      for (const summary of ['two', 'one']) told.report(body(summary))
      await told.flush()
      assert.deepEqual(sentencesTold(notify), ['one'])
    })

    it('is not told what another sentence has replaced by then', async () => {
      const { it: told, notify } = reporter()
      told.report(body('one'))
      clock.pass(500)
      told.report(body('two'))
      clock.pass(999)
      await turn()
      assert.deepEqual(sentencesTold(notify), [])
      clock.pass(1)
      await turn()
      assert.deepEqual(sentencesTold(notify), ['two'])
    })

    it('is told the last sentence at the end, however short it has stood', async () => {
      const { it: told, notify } = reporter()
      told.report(body('one'))
      await told.flush()
      assert.deepEqual(sentencesTold(notify), ['one'])
      await told.end()
      assert.equal(clock.sleepers, 0)
    })
  })

  it('writes nothing where nothing has changed', async () => {
    const create = sinon.spy((...args: Parameters<Files['createSynced']>) => nodeFiles.createSynced(...args))
    const { it: told } = reporter({ ...nodeFiles, createSynced: create })
    told.report(body('one'))
    await told.flush()
    told.report(body('one'))
    await told.flush()
    assert.equal(create.callCount, 1)
  })

  it('writes it again each minute without news, as long as it is kept', async () => {
    const create = sinon.spy((...args: Parameters<Files['createSynced']>) => nodeFiles.createSynced(...args))
    const { it: told } = reporter({ ...nodeFiles, createSynced: create })
    const minute = async (): Promise<void> => {
      clock.pass(60_000)
      await turn()
      await told.flush()
    }
    told.report(body('one'))
    await told.flush()
    for (const writes of [2, 3]) {
      await minute()
      assert.equal(create.callCount, writes)
    }
    await told.end()
    await minute()
    assert.equal(create.callCount, 3)
    assert.equal(textAt(await written(), 'summary'), 'one')
  })

  it('puts back within a minute what somebody has removed', async () => {
    const { it: told } = reporter()
    const textfile = directory.join('metrics', 'a.prom')
    await told.followTextfile(textfile)
    told.report(body('one', 'healthy'))
    await told.flush()
    const paths = [joinedMarkPath(directory.path), textfile]
    for (const path of paths) await rm(path)
    clock.pass(60_000)
    await turn()
    await told.flush()
    assert.deepEqual(paths.map(existsSync), [true, true])
  })

  it('skips what was overtaken while a write went on', async () => {
    const create = sinon.spy((...args: Parameters<Files['createSynced']>) => nodeFiles.createSynced(...args))
    const { it: told } = reporter({ ...nodeFiles, createSynced: create })
    for (const summary of ['one', 'two', 'three', 'four']) told.report(body(summary))
    await told.flush()
    assert.equal(textAt(await written(), 'summary'), 'four')
    assert.ok(create.callCount <= 2, `${create.callCount} writes`)
  })

  it('keeps since while state and sentence stay, and moves it when either changes', async () => {
    const { it: told } = reporter()
    told.report(body('one'))
    await told.flush()
    const began = textAt(await written(), 'since')
    clock.pass(60_000)
    told.report({ ...body('one'), step: 'key' })
    await told.flush()
    assert.equal(textAt(await written(), 'since'), began)
    assert.equal(textAt(await written(), 'step'), 'key')
    told.report(body('one', 'degraded'))
    await told.flush()
    assert.equal(textAt(await written(), 'since'), '2026-01-01T00:01:00.000Z')
  })

  it('shows a configuration that is not used until it is mended', async () => {
    const { it: told } = reporter()
    told.report(body('one'))
    told.setConfigurationProblem('join.yaml:1:1: wrong')
    await told.flush()
    assert.equal(textAt(await written(), 'configurationProblem'), 'join.yaml:1:1: wrong')
    told.setConfigurationProblem(undefined)
    await told.flush()
    assert.equal(fieldAt(await written(), 'configurationProblem'), undefined)
  })

  describe('on a disk that is full', () => {
    let isFull: (path: string) => boolean
    const create: Files['createSynced'] = (path, data, mode) =>
      isFull(path)
        ? Promise.reject(new BootstrapError('storage-full', `${path} cannot be written (ENOSPC)`))
        : nodeFiles.createSynced(path, data, mode)
    const files: Files = { ...nodeFiles, createSynced: create }
    const isInRuntime = (path: string): boolean => dirname(path) === directory.path

    beforeEach(() => {
      isFull = isInRuntime
    })

    it('says so once, by its code and to systemd, and writes by itself when there is room', async () => {
      const { it: told, log, notify } = reporter(files)
      for (const summary of ['one', 'two']) {
        told.report(body(summary))
        await told.flush()
      }
      sinon.assert.calledOnceWithMatch(log.warn, 'the status cannot be written', { code: 'storage-full' })
      assert.match(notify.status.lastCall.args[0], /^two; the status cannot be written: .*ENOSPC/)
      isFull = () => false
      clock.pass(1000)
      await turn()
      await told.flush()
      assert.equal(textAt(await written(), 'summary'), 'two')
      assert.equal(notify.status.lastCall.args[0], 'two')
      sinon.assert.calledWithMatch(log.info, 'written again')
    })

    it('leaves no status and no metrics that are no longer so', async () => {
      isFull = () => false
      const { it: told } = reporter(files)
      await told.followTextfile(directory.join('metrics', 'a.prom'))
      told.report(body('one'))
      await told.flush()
      isFull = () => true
      told.report(body('two', 'failed'))
      await told.flush()
      assert.equal(await written(), undefined)
      assert.deepEqual(
        (await readdir(directory.join('metrics'))).filter((name) => name.endsWith('.prom')),
        [],
      )
    })

    it('leaves the status that is still so, and says that it cannot be written again', async () => {
      isFull = () => false
      const { it: told, log } = reporter(files)
      told.report(body('one'))
      await told.flush()
      isFull = isInRuntime
      clock.pass(60_000)
      await turn()
      await told.flush()
      assert.equal(textAt(await written(), 'summary'), 'one')
      sinon.assert.calledOnceWithMatch(log.warn, 'the status cannot be written', { code: 'storage-full' })
    })

    it('says both why it cannot be written and why what is no longer so cannot be removed', async () => {
      isFull = () => false
      const isReadOnly = (path: string): boolean => isFull(path) && path.endsWith('status.json')
      const { it: told, log } = reporter({
        ...files,
        remove: (path) =>
          isReadOnly(path)
            ? Promise.reject(new BootstrapError('storage-read-only', `${path} cannot be removed (EROFS)`))
            : nodeFiles.remove(path),
      })
      told.report(body('one'))
      await told.flush()
      isFull = isInRuntime
      told.report(body('two'))
      await told.flush()
      sinon.assert.calledOnceWithMatch(
        log.warn,
        sinon.match(/\(ENOSPC\), and what stands there is no longer so: .*status\.json cannot be removed \(EROFS\)$/),
        { code: 'storage-full' },
      )
    })

    it('writes the new status in the room of the old one', async () => {
      isFull = () => false
      const { it: told, log } = reporter(files)
      told.report(body('one'))
      await told.flush()
      const isThere = () => existsSync(join(directory.path, 'status.json'))
      isFull = (path) => isInRuntime(path) && isThere()
      told.report(body('two'))
      await told.flush()
      assert.equal(textAt(await written(), 'summary'), 'two')
      sinon.assert.notCalled(log.warn)
    })

    for (const [what, isOut] of [
      ['the status', isInRuntime],
      ['the metrics', (path: string) => !isInRuntime(path)],
    ] as const)
      it(`for ${what} alone, tells the rest, and does not write that again with each attempt`, async () => {
        isFull = isOut
        const created = sinon.spy(create)
        const { it: told } = reporter({ ...nodeFiles, createSynced: created })
        const textfile = directory.join('metrics', 'a.prom')
        await told.followTextfile(textfile)
        told.report(body('one'))
        await told.flush()
        const attempts = created.callCount
        clock.pass(1000)
        await turn()
        await told.flush()
        assert.deepEqual(
          [(await written()) !== undefined, existsSync(textfile)],
          what === 'the status' ? [false, true] : [true, false],
        )
        assert.ok(created.callCount > attempts)
        assert.equal(created.args.filter(([path]) => !isOut(path)).length, 1)
      })

    it('tries no more once it has ended', async () => {
      const { it: told } = reporter(files)
      told.report(body('one'))
      await told.flush()
      isFull = () => false
      await told.end()
      await turn()
      await told.flush()
      assert.equal(await written(), undefined)
      assert.equal(clock.sleepers, 0)
    })
  })

  describe('the mark that the node has joined', () => {
    const marked = async (): Promise<boolean> => (await nodeFiles.stat(joinedMarkPath(directory.path))) !== undefined

    it('is there while the status says that the node has joined, whatever its state', async () => {
      const { it: told } = reporter()
      for (const [state, joined] of [
        ['waiting', false],
        ['waiting', true],
        ['degraded', false],
        ['degraded', true],
        ['failed', false],
        ['healthy', true],
      ] as const) {
        told.report({ ...body(state, state), joined })
        await told.flush()
        assert.equal(await marked(), joined, `${state}, ${joined}`)
      }
    })

    it('of an earlier agent is removed where it is no longer true', async () => {
      await markJoined(nodeFiles, directory.path, true)
      const { it: told } = reporter()
      told.report(body('one'))
      await told.flush()
      assert.equal(await marked(), false)
    })

    it('of an earlier agent stays, and none is made, while nothing is known', async () => {
      const unknown: StatusBody = { node: 'worker-1', state: 'waiting', summary: 'the disk fails', findings: [] }
      for (const isMarked of [true, false]) {
        await markJoined(nodeFiles, directory.path, isMarked)
        const { it: told } = reporter()
        told.report(unknown)
        await told.flush()
        assert.equal(textAt(await written(), 'summary'), 'the disk fails')
        assert.equal(await marked(), isMarked)
        told.report({ ...unknown, joined: !isMarked })
        await told.flush()
        assert.equal(await marked(), !isMarked)
      }
    })

    it('comes after the status that it stands for, and is written once', async () => {
      const created: string[] = []
      const create = (...args: Parameters<Files['createSynced']>) => {
        created.push(args[0])
        return nodeFiles.createSynced(...args)
      }
      const { it: told } = reporter({ ...nodeFiles, createSynced: create })
      for (const summary of ['one', 'two']) {
        told.report(body(summary, 'healthy'))
        await told.flush()
      }
      assert.equal(created.length, 3)
      assert.equal(textAt(await written(), 'summary'), 'two')
      assert.ok(await marked())
    })

    it('that could not be written is written with the next report', async () => {
      const fault = sinon.stub()
      fault.callsFake((...args: Parameters<Files['createSynced']>) => nodeFiles.createSynced(...args))
      fault.onSecondCall().rejects(new Error('no space'))
      const { it: told } = reporter({ ...nodeFiles, createSynced: fault })
      told.report(body('one', 'healthy'))
      await told.flush()
      assert.equal(await marked(), false)
      told.report(body('one', 'healthy'))
      await told.flush()
      assert.ok(await marked())
    })
  })

  it('writes the metrics in one step, readable for all, and takes them away when nobody keeps them true', async () => {
    const renamed = sinon.spy((...args: Parameters<Files['rename']>) => nodeFiles.rename(...args))
    const { it: told } = reporter({ ...nodeFiles, rename: renamed })
    const [path, other] = [directory.join('metrics', 'a.prom'), directory.join('metrics', 'b.prom')]
    await told.followTextfile(path)
    told.report(body('one'), [{ kind: 'client', action: 'discover', outcome: 'succeeded', count: 3 }])
    await told.flush()
    const text = await readFile(path, 'utf8')
    assert.match(text, /^node_bootstrap_state\{state="waiting"\} 1$/m)
    assert.match(text, /^node_bootstrap_attempts_total\{kind="client",action="discover",outcome="succeeded"\} 3$/m)
    assert.equal((await stat(path)).mode & 0o777, 0o644)
    // What stands beside it in between is nothing that node_exporter reads.
    const froms = renamed.args.filter(([, to]) => to === path).map(([from]) => from)
    assert.ok(froms.length === 1 && froms.every((from) => !from.endsWith('.prom')))
    await told.followTextfile(other)
    await told.flush()
    assert.deepEqual(await readdir(directory.join('metrics')), ['b.prom'])
    await told.followTextfile(undefined)
    await told.flush()
    assert.deepEqual(await readdir(directory.join('metrics')), [])
  })

  it('tells what is reported while the metrics cannot be written', async () => {
    const isTold = (path: string): boolean => dirname(path) === directory.path
    const { it: told } = reporter({
      ...nodeFiles,
      createSynced: (path, data, mode) =>
        isTold(path)
          ? nodeFiles.createSynced(path, data, mode)
          : Promise.reject(new BootstrapError('storage-read-only', `${path} cannot be written (EROFS)`)),
    })
    await told.followTextfile(directory.join('metrics', 'agent.prom'))
    told.report(body('one'))
    told.report(body('two', 'healthy'))
    await told.flush()
    assert.equal(textAt(await written(), 'summary'), 'two')
    assert.ok(existsSync(joinedMarkPath(directory.path)))
  })
})
