/** Mocha's spec reporter, closed by the one line that any CI can read: `N passed, N failed, N skipped`. */
import mocha from 'mocha'

export default class Reporter extends mocha.reporters.Spec {
  override epilogue(): void {
    super.epilogue()
    const { passes, failures, pending } = this.stats
    process.stdout.write(`${passes} passed, ${failures} failed, ${pending} skipped\n`)
  }
}
