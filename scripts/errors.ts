/** Writes docs/errors.md from the table of codes, so that the page cannot say anything else than the program. */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { errorCodes, type Retryable } from '../src/lib/error-codes.ts'

const PATH = fileURLToPath(new URL('../docs/errors.md', import.meta.url))

const RETRIES: ReadonlyMap<Retryable, string> = new Map<Retryable, string>([
  [true, 'with backoff'],
  ['until-deadline', 'within the attempt'],
  [false, 'rarely'],
])

export function errorsPage(): string {
  const rows = Object.entries(errorCodes).map(
    ([code, { exit, retryable, hint }]) =>
      `| \`${code}\` | ${exit} | ${RETRIES.get(retryable) ?? ''} | ${hint.replaceAll('|', '\\|')} |`,
  )
  return `# Errors

Every failure has one of these codes, in the log as \`code=\`, in \`status\` and beside the message of a command. The message says what was seen; the hint, what to do next. This page is made from \`src/lib/error-codes.ts\` by \`npm run errors\`.

Tried again *with backoff*: full jitter, doubling from 1 s to 2 min, \`Retry-After\` obeyed. *Within the attempt*: every few seconds until \`discovery.timeout\` is over, then rarely. *Rarely*: something that a person must mend; the daemon looks again every 10 minutes or so, and at once when join.yaml changes or on SIGHUP; \`run --once\` ends. A refused certificate request is not filed again at all until then; while the node still has a valid certificate, another is filed a minute later, and after pauses that double to an hour.

| code | exit status | tried again | what to do |
| --- | --- | --- | --- |
${rows.join('\n')}
`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(PATH, errorsPage())

export const committedErrorsPage = (): Promise<string> => readFile(PATH, 'utf8')
