/** `node-bootstrap run`. */
import { CLIENT } from '../agent/certificate-kind.ts'
import { DEFAULT_PATH } from '../compose/configuration-file.ts'
import { runAgent } from '../compose/agent.ts'
import { EXIT, type ExitStatus } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Invocation } from './invocation.ts'
import { parseTimeout } from './timeout.ts'

export async function run({ values }: Invocation): Promise<ExitStatus> {
  const once = values['once'] === true
  const timeoutMs = parseTimeout(values['timeout'])
  if (timeoutMs !== undefined && !once)
    throw new BootstrapError('usage', '--timeout goes with --once: the daemon never gives up', {
      hint: 'see node-bootstrap run --help',
    })
  const configurationPath = typeof values['config'] === 'string' ? values['config'] : DEFAULT_PATH
  const goal = once ? ({ goal: 'joined', kind: CLIENT } as const) : undefined
  await runAgent({ configurationPath, once: goal, timeoutMs, environment: process.env })
  return EXIT.ok
}
