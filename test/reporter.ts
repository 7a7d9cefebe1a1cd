/** Mocha's spec reporter, which leaves `PASSED FAILED SKIPPED` in the file that TEST_COUNTS names, for scripts/test to sum. */
import { writeFileSync } from 'node:fs'
import mocha from 'mocha'

export default class Reporter extends mocha.reporters.Spec {
  override epilogue(): void {
    super.epilogue()
    const { passes, failures, pending } = this.stats
    const file = process.env['TEST_COUNTS']
    if (file !== undefined) writeFileSync(file, `${passes} ${failures} ${pending}\n`)
  }
}
