/** How the package starts the program: the options of its Node.js, and what it leaves of the environment. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const WRAPPER = readFileSync(join(import.meta.dirname, '../../packaging/node-bootstrap'), 'utf8')

function wordsOf(line: RegExp): string[] {
  const words = line.exec(WRAPPER)?.[1]?.split(' ')
  if (words === undefined) throw new Error(`packaging/node-bootstrap has no line like ${line.source}`)
  return words
}

export const PACKAGED_OPTIONS: readonly string[] = wordsOf(/^exec \S+\/node (-.*?) \//m)

/** To be laid over the environment. A unit has no list of certificates of its own in it; a machine that builds may. */
export const PACKAGED_ENVIRONMENT: Readonly<Record<string, undefined>> = Object.fromEntries(
  [...wordsOf(/^unset (.*)$/m), 'SSL_CERT_FILE', 'SSL_CERT_DIR'].map((name) => [name, undefined]),
)
