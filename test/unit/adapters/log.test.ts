import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { LogStyle } from '../../../src/adapters/log.ts'
import type { LogLevel } from '../../../src/lib/ports.ts'

const adapters = join(import.meta.dirname, '../../../src/adapters')

/** What a process of its own writes to standard error: it is the log's, as in the agent. */
async function written(style: LogStyle, level: LogLevel, body: string): Promise<string> {
  const script = `
    import { createLog } from ${JSON.stringify(join(adapters, 'log.ts'))}
    import { createNotify } from ${JSON.stringify(join(adapters, 'notify.ts'))}
    const { log, setLevel, close } = createLog(${JSON.stringify(level)}, ${JSON.stringify(style)})
    ${body}
    await close()
    void [setLevel, createNotify]`
  const run = promisify(execFile)(process.execPath, ['--input-type=module-typescript', '-e', script])
  const { stdout, stderr } = await run
  assert.equal(stdout, '')
  return stderr
}

const FORGED = String.raw`log.warn('one', { field: 'a\n<3>forged level=error', other: 'x="y"', count: 3, none: undefined })`

describe('createLog', () => {
  it('writes JSON, one object a line', async () => {
    const text = await written('json', 'info', FORGED)
    const [line = '', ...rest] = text.trimEnd().split('\n')
    assert.deepEqual(rest, [])
    const { time, ...fields } = JSON.parse(line) as Record<string, unknown>
    assert.ok(!Number.isNaN(Date.parse(String(time))))
    assert.deepEqual(fields, {
      level: 'warn',
      message: 'one',
      field: 'a\n<3>forged level=error',
      other: 'x="y"',
      count: 3,
    })
  })

  const fields = String.raw`field="a\n<3>forged level=error" other="x=\"y\"" count=3`
  it('writes text, one line an event', async () => {
    const text = await written('text', 'info', FORGED)
    assert.match(text, /^\d{4}-\d\d-\d\dT[\d:.]+Z warn one field=/)
    assert.ok(text.endsWith(` warn one ${fields}\n`), text)
    assert.equal(text.trimEnd().split('\n').length, 1)
  })

  it('writes the priorities of journald, and no time', async () => {
    assert.equal(await written('journal', 'info', FORGED), `<4>one ${fields}\n`)
    const all = "log.error('e'); log.warn('w'); log.info('i'); log.debug('d')"
    assert.equal(await written('journal', 'debug', all), '<3>e\n<4>w\n<6>i\n<7>d\n')
  })

  it('colours the level alone', async () => {
    const text = await written('colour', 'info', "log.error('e', { a: 1 })")
    assert.ok(text.includes('\u001b[31merror\u001b[0m e '), JSON.stringify(text))
  })

  it('leaves out what is below its level, which can be changed', async () => {
    const body =
      "log.info('one'); log.debug('two'); setLevel('debug'); log.debug('three'); setLevel('error'); log.warn('four')"
    assert.equal(await written('journal', 'info', body), '<6>one\n<7>three\n')
  })
})

describe('createNotify', () => {
  it('does nothing at all without a socket', async () => {
    const body = `
      const notify = createNotify(undefined, log)
      const before = process.getActiveResourcesInfo().filter((name) => name.startsWith('Process')).length
      const calls = [notify.ready(), notify.status('x'), notify.reloading(), notify.stopping()]
      log.info('spawned', { count: process.getActiveResourcesInfo().filter((name) => name.startsWith('Process')).length - before })
      await Promise.all(calls)`
    // A failure to notify would be a debug line.
    assert.equal(await written('journal', 'debug', body), '<6>spawned count=0\n')
  })

  it('that fails is a debug line, and no more', async () => {
    const body = `
      const notify = createNotify('/does/not/exist', log)
      await Promise.all([notify.reloading(), notify.stopping()])`
    const lines = (await written('journal', 'debug', body)).trimEnd().split('\n')
    assert.ok(
      lines.every((line) => line === '' || line.startsWith('<7>systemd was not notified ')),
      lines.join('\n'),
    )
  })
})
