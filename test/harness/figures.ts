/** What a long test counts: told among its results, and to scripts/soak by a line in the file that TEST_FIGURES names. */
import { appendFileSync } from 'node:fs'

export function tellFigures(sentence: string): void {
  process.stdout.write(`      ${sentence}\n`)
  const file = process.env['TEST_FIGURES']
  if (file !== undefined) appendFileSync(file, `${sentence}\n`)
}
