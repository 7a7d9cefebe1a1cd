import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { systemProcesses } from '../../../src/adapters/processes.ts'
import { processStartTime } from '../../../src/adapters/process-identity.ts'
import type { ProcessEnd, ProcessRequest } from '../../../src/lib/ports.ts'
import { eventually } from '../../harness/eventually.ts'
import { useTemporaryDirectory } from '../../harness/temporary-directory.ts'

const DEADLINE_MS = 30_000

async function run(
  argv: readonly string[],
  rest: Partial<ProcessRequest> = {},
): Promise<{ end: ProcessEnd; lines: string[] }> {
  const lines: string[] = []
  const end = await systemProcesses.run({
    argv,
    environment: {},
    timeoutMs: DEADLINE_MS,
    signal: new AbortController().signal,
    onLine: (line) => lines.push(line),
    ...rest,
  })
  return { end, lines }
}

const sh = (script: string): string[] => ['/bin/sh', '-c', script]

describe('systemProcesses', function () {
  this.timeout(2 * DEADLINE_MS)
  const directory = useTemporaryDirectory()

  it('hands the arguments over as they are, to a program in /, with nothing on its standard input', async () => {
    const { end, lines } = await run(['/usr/bin/printf', '%s\\n', '$HOME; rm -rf *', ' a  b '])
    assert.deepEqual(end, { kind: 'exited', status: 0 })
    assert.deepEqual(lines, ['$HOME; rm -rf *', ' a  b '])
    assert.deepEqual((await run(sh('pwd; cat'))).lines, ['/'])
  })

  it('gives it the environment that is handed in and a PATH, and nothing of its own', async () => {
    process.env['NODE_BOOTSTRAP_TEST_SECRET'] = 'obviously made up'
    try {
      const { lines } = await run(['/usr/bin/env'], { environment: { ONE: 'a value' } })
      assert.deepEqual(lines.sort(), [
        'ONE=a value',
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      ])
    } finally {
      delete process.env['NODE_BOOTSTRAP_TEST_SECRET']
    }
  })

  it('hears standard output and standard error, also a last line without an end', async () => {
    const { lines } = await run(sh('echo one; echo two >&2; printf three'))
    assert.deepEqual(lines.sort(), ['one', 'three', 'two'])
  })

  it('hears a line that does not end in pieces, and lets go of each', async () => {
    const { end, lines } = await run(sh('head -c 3000000 /dev/zero'))
    assert.deepEqual(end, { kind: 'exited', status: 0 })
    assert.equal(lines.join('').length, 3_000_000)
    assert.ok(Math.max(...lines.map(({ length }) => length)) < 200_000)
  })

  const ends: [string, readonly string[], ProcessEnd][] = [
    ['a status', sh('exit 3'), { kind: 'exited', status: 3 }],
    ['a signal', sh('kill -SEGV $$'), { kind: 'signalled', signal: 'SIGSEGV' }],
    ['no such program', ['/does/not/exist'], { kind: 'not-started', reason: 'ENOENT' }],
  ]
  for (const [what, argv, expected] of ends)
    it(`tells how it ended: ${what}`, async () => {
      assert.deepEqual((await run(argv)).end, expected)
    })

  it('tells that a file which may not be executed was not started', async () => {
    const path = directory.join('text')
    await writeFile(path, 'exit 0', { mode: 0o600 })
    assert.deepEqual((await run([path])).end, { kind: 'not-started', reason: 'EACCES' })
  })

  for (const [which, trap, signal] of [
    ['neither it nor what it started listens', `trap '' TERM;`, 'SIGKILL'],
    ['what it started does not listen', '', 'SIGTERM'],
  ] as const)
    it(`ends what runs for too long with all that it started, also where ${which} to SIGTERM`, async () => {
      const path = directory.join('pids')
      await writeFile(path, '')
      const script = `${trap} sh -c 'trap "" TERM; echo $$ >> ${path}; while :; do sleep 1; done' & echo $$ >> ${path}; wait`
      // Long enough for both to have begun, on a slow machine too: they are asked, not timed.
      const started = eventually('both pids', { deadlineMs: DEADLINE_MS }, async () =>
        (await readFile(path, 'utf8')).split('\n').length > 2 ? true : undefined,
      )
      const stop = new AbortController()
      void started.then(() => {
        stop.abort()
      })
      const { end } = await run(sh(script), { signal: stop.signal })
      assert.deepEqual(end, { kind: 'signalled', signal })
      for (const pid of (await readFile(path, 'utf8')).trim().split('\n'))
        await eventually(`the end of ${pid}`, { deadlineMs: DEADLINE_MS }, () =>
          Promise.resolve(processStartTime(Number(pid)) === undefined ? true : undefined),
        )
    })

  it('says of what it ended for its time that it was late', async () => {
    const { end } = await run(['/bin/sleep', '600'], { timeoutMs: 50 })
    assert.deepEqual(end, { kind: 'timed-out' })
  })

  it('does not wait for a background process that keeps the output open', async () => {
    const { end, lines } = await run(sh('sleep 600 & echo $!'))
    assert.deepEqual(end, { kind: 'exited', status: 0 })
    process.kill(Number(lines[0]), 'SIGKILL')
  })

  it('runs nothing to its end where it was told to stop before', async () => {
    const { end } = await run(['/bin/sleep', '600'], { signal: AbortSignal.abort() })
    assert.equal(end.kind, 'signalled')
  })
})
