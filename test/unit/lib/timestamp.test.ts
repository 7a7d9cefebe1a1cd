import assert from 'node:assert/strict'
import fc from 'fast-check'
import { timestamp } from '../../../src/lib/timestamp.ts'

describe('a timestamp', () => {
  it('is what toISOString gives, for every date', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), (date) => {
        assert.equal(timestamp(date.getTime()), date.toISOString())
      }),
      { examples: [[new Date(-1)], [new Date(Date.UTC(9999, 11, 31, 23, 59, 59, 999))], [new Date('0001-02-03')]] },
    )
  })

  it('is refused for what is no date', () => {
    assert.throws(() => timestamp(NaN), RangeError)
  })
})
