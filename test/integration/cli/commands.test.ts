import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import type { Status } from '../../../src/agent/status.ts'
import { COMMANDS } from '../../../src/cli/commands.ts'
import { EXIT } from '../../../src/lib/error-codes.ts'
import { spawnAgent } from '../../harness/agent-process.ts'
import { useTemporaryDirectory } from '../../harness/temporary-directory.ts'
import { createScene, DEADLINE_MS, ended, waitForJoin, waitForMessage } from '../bad-input/scene.ts'
import { eventually } from '../../harness/eventually.ts'

const run = promisify(execFile)
const configs = join(import.meta.dirname, '../../configs')
const main = join(import.meta.dirname, '../../../src/cli/main.ts')

async function command(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const agent = spawnAgent({ args })
  const { code } = await agent.exited
  return { code, stdout: agent.stdout.join('\n'), stderr: agent.stderr.join('\n') }
}

describe('the command line', function () {
  this.timeout(2 * DEADLINE_MS)

  const wrong: [string[], RegExp][] = [
    [['fly'], /there is no command "fly"/],
    [['run', '--fly'], /--fly/],
    [['run', 'argument'], /argument/],
    [['validate', 'one', 'two'], /validate takes one FILE/],
    [['validate', 'one', '--config', 'two'], /validate takes FILE or --config, not both/],
    [['run', '--once', '--timeout', '600h'], /--timeout is too long; at most 576h/],
    [['run', '--once', '--timeout', '0s'], /--timeout is too short; at least 1s/],
    [['run', '--once', '--timeout', 'soon'], /--timeout is no duration/],
    [['run', '--timeout', '10s'], /--timeout goes with --once/],
  ]
  for (const [args, message] of wrong)
    it(`refuses ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await command(...args)
      assert.equal(code, EXIT.usage, stderr)
      assert.equal(stdout, '')
      assert.match(stderr, message)
      assert.match(stderr, /\n {2}\(usage\) \S/)
    })

  it('gives every line of what ends it the priority of an error, where it goes to the journal', async () => {
    const script = 'JOURNAL_STREAM=$(stat -L -c %d:%i /dev/stderr) exec "$0" "$1" run --config /dev/null'
    const failed = await run('sh', ['-c', script, process.execPath, main]).catch(
      (thrown: unknown) => thrown as { code: number; stderr: string },
    )
    assert.equal('code' in failed && failed.code, EXIT.config)
    assert.match(failed.stderr, /^(<3>.*\n){2,}$/)
  })

  it('without a command shows the help, and that this is wrong', async () => {
    const { code, stdout } = await command()
    assert.equal(code, EXIT.usage)
    assert.equal((await command('--help')).stdout, stdout)
  })

  it('helps with each command, its options and the exit statuses', async () => {
    const { code, stdout } = await command('--help')
    assert.equal(code, EXIT.ok)
    for (const { name, summary } of COMMANDS)
      assert.ok(
        stdout.split('\n').some((line) => line.startsWith(`  ${name} `) && line.endsWith(` ${summary}`)),
        name,
      )
    for (const status of Object.values(EXIT)) assert.match(stdout, new RegExp(`^ {2}${status} +\\S`, 'm'))
    for (const { name, options } of COMMANDS) {
      const help = await command(name, '--help')
      assert.equal(help.code, EXIT.ok)
      assert.match(help.stdout, new RegExp(`^Usage: node-bootstrap ${name} `))
      for (const option of [...Object.keys(options), 'help']) assert.ok(help.stdout.includes(`--${option}`), option)
    }
  })

  it('validates a file: ok, or every problem on a line of its own, on standard output', async () => {
    const good = join(configs, 'token-with-ca-file/join.yaml')
    const verdict = await readFile(join(configs, 'token-with-ca-file/expected.txt'), 'utf8')
    assert.deepEqual(await command('validate', good), {
      code: EXIT.ok,
      stdout: verdict.trim().replaceAll('join.yaml: ', `${good}: `),
      stderr: '',
    })
    const bad = join(configs, 'two-tokens/join.yaml')
    const expected = await readFile(join(configs, 'two-tokens/expected.txt'), 'utf8')
    const { code, stdout, stderr } = await command('validate', '--config', bad)
    assert.equal(code, EXIT.config)
    assert.equal(stdout.replaceAll(bad, 'join.yaml'), expected.trim())
    assert.equal(stderr, '')
    const forbidden = await command('validate', join(configs, 'policy-broken/join.yaml'))
    assert.equal(forbidden.code, EXIT.config)
    assert.match(forbidden.stdout, /^\S+join\.yaml: error: token-without-pin: .*\(policy\.require: pinned\)$/m)
    const missing = await command('validate', '/does/not/exist')
    assert.equal(missing.code, EXIT.config)
    assert.match(missing.stderr, /is not there\n {2}\(config-unreadable\)/)
  })
})

describe('run --once', function () {
  this.timeout(2 * DEADLINE_MS)

  it('that SIGTERM ends before the node has joined says so', async () => {
    await using scene = await createScene({ clusterOptions: { approval: 'manual' } })
    const agent = scene.daemon({ once: true })
    await waitForMessage(agent, /the request waits for approval/)
    agent.kill('SIGTERM')
    const { exit, text } = await ended(agent)
    assert.equal(exit.code, EXIT.temporary, text)
    // On a busy machine what still runs is cut off, and the log has the last word.
    assert.match(
      text,
      /^node-bootstrap: stopped early: the node has not joined\n {2}\(stopped\) \S|"stopped early: the node has not joined","code":"stopped","hint":"/m,
    )
  })

  it('whose time is over says so', async () => {
    await using scene = await createScene({ clusterOptions: { approval: 'manual' } })
    const agent = spawnAgent({ args: ['run', '--once', '--timeout', '1s'], configPath: scene.path })
    const { exit, text } = await ended(agent)
    assert.equal(exit.code, EXIT.temporary, text)
    assert.match(text, /has not joined within 1 s: \S.*\n {2}\(joining-timed-out\) \S/m)
  })
})

describe('status', function () {
  this.timeout(2 * DEADLINE_MS)
  const directory = useTemporaryDirectory()

  it('knows a running agent, a stopped one, one whose certificate has lapsed, and none', async () => {
    await using scene = await createScene()
    const show = (...args: string[]): ReturnType<typeof command> => command('status', '--config', scene.path, ...args)
    assert.equal((await show()).code, EXIT.unavailable)
    const agent = scene.daemon()
    await waitForJoin(agent)
    await eventually('status 0', { deadlineMs: DEADLINE_MS }, async () =>
      (await show()).code === EXIT.ok ? true : undefined,
    )
    const path = join(scene.files.runtime, 'status.json')
    // As after an hour in which nothing could be written there; the agent may just write it all the same.
    const behind = await eventually('a status of an hour ago', { deadlineMs: DEADLINE_MS }, async () => {
      await utimes(path, Date.now() / 1000, Date.now() / 1000 - 3600)
      const result = await show('--json')
      return result.code === EXIT.unavailable ? result : undefined
    })
    const { running, current } = JSON.parse(behind.stdout) as { running: boolean; current: boolean }
    assert.deepEqual([running, current], [true, false])
    agent.kill()
    await agent.exited
    const stopped = await show()
    assert.equal(stopped.code, EXIT.unavailable)
    assert.match(stopped.stdout, /healthy, since .*; that was when the agent last ran, and it does not run now/)

    const status = JSON.parse(await readFile(path, 'utf8')) as Status
    assert.ok(status.certificate !== undefined)
    const past = new Date(Date.now() - 60_000).toISOString()
    await writeFile(path, JSON.stringify({ ...status, certificate: { ...status.certificate, notAfter: past } }))
    const lapsed = await show('--json')
    assert.equal(lapsed.code, EXIT.unavailable)
    const shown = JSON.parse(lapsed.stdout) as Status & { running: boolean }
    assert.equal(shown.running, false)
    assert.equal(shown.state, 'waiting')
    assert.match(shown.summary, /^the certificate has expired; before that: joined/)
  })

  it('takes a file that no agent wrote for none', async () => {
    const program = { version: '0.0.1', pid: process.pid, startTime: '1' }
    const oldest = {
      version: 1,
      program,
      node: 'a',
      state: 'waiting',
      since: '2026-11-23T11:00:00Z',
      summary: 'it waits',
    }
    const status = { ...oldest, findings: [] }
    const show = async (document: object): ReturnType<typeof command> => {
      await writeFile(directory.join('status.json'), JSON.stringify(document))
      return await command('status', '--runtime', directory.join('.'))
    }
    const whole = await show(status)
    assert.equal(whole.code, EXIT.unavailable)
    assert.match(whole.stdout, /waiting, unknown whether it has joined, since /)
    for (const field of Object.keys(status)) {
      const { stderr } = await show(Object.fromEntries(Object.entries(status).filter(([name]) => name !== field)))
      assert.match(
        stderr,
        /status\.json is no status that this version can show: [^]*\(not-running\)/,
        `without ${field}`,
      )
    }
  })

  it('says of a file that it cannot use what is wrong with it', async () => {
    const { code, stderr } = await command('status', '--config', directory.join('none.yaml'))
    assert.equal(code, EXIT.config)
    assert.match(stderr, /\(config-unreadable\)/)
  })
})

describe('the daemon', function () {
  this.timeout(2 * DEADLINE_MS)

  it('goes on when whoever read its log goes away', async () => {
    await using scene = await createScene({ clusterOptions: { approval: 'manual' } })
    const child = spawn(process.execPath, [main, 'run', '--config', scene.path], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    try {
      const lines = createInterface({ input: child.stderr })
      await once(lines, 'line')
      lines.close()
      child.stderr.destroy()
      const approved = await eventually('a request', { deadlineMs: DEADLINE_MS }, () =>
        Promise.resolve(scene.cluster.listCertificateSigningRequests()[0]?.metadata.name),
      )
      scene.cluster.approve(approved)
      await eventually('a healthy status', { deadlineMs: DEADLINE_MS }, async () => {
        const status = JSON.parse(await readFile(join(scene.files.runtime, 'status.json'), 'utf8')) as Status
        return status.state === 'healthy' ? true : undefined
      })
      assert.equal(child.exitCode, null)
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      assert.deepEqual(await exited, [0, null])
    } finally {
      child.kill('SIGKILL')
    }
  })

  it('ends on SIGTERM while it makes an RSA-4096 key, and what it left converges', async () => {
    await using scene = await createScene({
      overrides: { certificate: { keyAlgorithm: 'RSA-4096' }, discovery: { timeout: '1s' } },
    })
    const agent = scene.daemon()
    await waitForMessage(agent, /the cluster is verified/)
    agent.kill('SIGTERM')
    const exit = await agent.exited
    assert.ok(exit.code === 0 || exit.signal === 'SIGTERM', JSON.stringify(exit))
    const again = scene.daemon()
    await waitForJoin(again)
    assert.equal(scene.cluster.listCertificateSigningRequests().length, 1)
  })
})
