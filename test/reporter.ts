/**
 * Mocha's spec reporter, closed by the one line that any CI can read: `N passed, N failed, N skipped`. Checks that ran
 * before the tests are counted in, from CHECKS_PASSED and CHECKS_FAILED.
 */
import mocha from 'mocha'

const count = (name: string): number => Number(process.env[name] ?? 0)

export default class Reporter extends mocha.reporters.Spec {
  override epilogue(): void {
    super.epilogue()
    const { passes, failures, pending } = this.stats
    const passed = passes + count('CHECKS_PASSED')
    const failed = failures + count('CHECKS_FAILED')
    process.stdout.write(`${passed} passed, ${failed} failed, ${pending} skipped\n`)
  }
}
