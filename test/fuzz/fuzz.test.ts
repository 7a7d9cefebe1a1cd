import assert from 'node:assert/strict'
import { spawnAgent } from '../harness/agent-process.ts'

const RUN = new URL('run.ts', import.meta.url).pathname

describe('the fuzzer', () => {
  it('finds nothing in a short run, nor any parser whose work grows faster than its input', async () => {
    await using run = spawnAgent({
      entry: [process.execPath, RUN],
      args: ['--inputs', '100', '--seed', '1'],
    })
    const { code } = await run.exited
    assert.equal(code, 0, run.lines.join('\n'))
    assert.match(run.lines.at(-1) ?? '', /^\d\d parsers, 0 findings$/)
  }).timeout(600_000)
})
