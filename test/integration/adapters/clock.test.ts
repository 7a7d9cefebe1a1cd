import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../src/adapters/clock.ts'

const SOURCE = join(import.meta.dirname, '../../../src/adapters/clock.ts')

describe('the clock port', () => {
  it('has one monotonic clock for all processes of a boot', () => {
    const beganMs = systemClock.monotonicMs()
    const program = `import { systemClock } from ${JSON.stringify(SOURCE)}
      console.log(systemClock.monotonicMs(), systemClock.bootId())`
    const told = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' })
    const [monotonicMs, bootId] = told.trim().split(' ')
    assert.ok(Number(monotonicMs) > beganMs && Number(monotonicMs) < systemClock.monotonicMs(), told)
    assert.equal(bootId, systemClock.bootId())
    assert.equal(bootId, readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim())
  })
})
