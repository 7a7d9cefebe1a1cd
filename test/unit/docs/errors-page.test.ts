import assert from 'node:assert/strict'
import { committedErrorsPage, errorsPage } from '../../../scripts/errors.ts'

describe('docs/errors.md', () => {
  it('is what the table of codes says; npm run errors renews it', async () => {
    assert.equal(await committedErrorsPage(), errorsPage())
  })
})
