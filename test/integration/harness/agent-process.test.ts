import assert from 'node:assert/strict'
import { join } from 'node:path'
import { spawnAgent } from '../../harness/agent-process.ts'

const fixture = [process.execPath, join(import.meta.dirname, 'fixture-process.ts')] as const

describe('spawnAgent', () => {
  it('sees lines of both outputs as they come, and the exit status', async () => {
    await using agent = spawnAgent({ entry: fixture, args: ['exit', '7'], env: { GREETING: 'hello' } })
    assert.equal(await agent.waitForLine(/^hello/), 'hello from the environment')
    assert.deepEqual(await agent.exited, { code: 7, signal: null })
    assert.deepEqual(agent.stdout, ['hello from the environment'])
    assert.deepEqual(agent.stderr, ['about to exit'])
  })

  it('hands the configuration over at the end', async () => {
    await using agent = spawnAgent({ entry: fixture, args: ['arguments'], configPath: '/tmp/join.yaml' })
    await agent.waitForLine(/^\["arguments","--config","\/tmp\/join.yaml"\]$/)
  })

  it('finds a line that has already come, and with `from` only a later one', async () => {
    await using agent = spawnAgent({ entry: fixture, args: ['wait'] })
    await agent.waitForLine(/^waiting$/)
    await agent.waitForLine(/^waiting$/)
    const later = agent.waitForLine(/^(waiting|hung up)$/, { from: agent.lines.length })
    agent.kill('SIGHUP')
    assert.equal(await later, 'hung up')
  })

  it('rejects with all output when the process ends first', async () => {
    await using agent = spawnAgent({ entry: fixture, args: ['exit', '1'], env: { GREETING: 'hello' } })
    await assert.rejects(agent.waitForLine(/never printed/), /no line matches[^]*ended \(1\)[^]*about to exit/)
    await assert.rejects(agent.waitForLine(/never printed/), /ended \(1\)/)
  })

  it('reports the signal that ended it', async () => {
    await using agent = spawnAgent({ entry: fixture, args: ['wait'] })
    await agent.waitForLine(/^waiting$/)
    agent.kill('SIGKILL')
    assert.deepEqual(await agent.exited, { code: null, signal: 'SIGKILL' })
  })

  it('rejects when there is no such program', async () => {
    const agent = spawnAgent({ entry: ['/nowhere/agent'], args: [] })
    await assert.rejects(agent.waitForLine(/anything/), /did not start: .*ENOENT/)
    await assert.rejects(agent.exited, { code: 'ENOENT' })
  })
})
