/** `node-bootstrap validate`: the problems go to standard output, one a line, for people and editors. */
import { nodeFiles } from '../adapters/files.ts'
import { exposures } from '../agent/exposure.ts'
import { localKubeconfig } from '../agent/local-kubeconfig.ts'
import { DEFAULT_PATH, readConfiguration } from '../compose/configuration-file.ts'
import type { JoinConfiguration } from '../config/index.ts'
import { validationReport } from '../findings/report.ts'
import { tradeOffs } from '../findings/trade-offs.ts'
import { EXIT, type ExitStatus } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Invocation } from './invocation.ts'

export async function validate({ values, argument }: Invocation): Promise<ExitStatus> {
  const named = values['config']
  if (argument !== undefined && named !== undefined)
    throw new BootstrapError('usage', 'validate takes FILE or --config, not both', {
      hint: 'see node-bootstrap validate --help',
    })
  const path = argument ?? (typeof named === 'string' ? named : DEFAULT_PATH)
  try {
    return await report(path, await readConfiguration(nodeFiles, path))
  } catch (thrown) {
    if (!(thrown instanceof BootstrapError) || thrown.code !== 'config-invalid') throw thrown
    process.stdout.write(`${thrown.message}\n`)
    return EXIT.config
  }
}

async function report(path: string, configuration: JoinConfiguration): Promise<ExitStatus> {
  const findings = tradeOffs({
    configuration,
    exposures: await exposures(nodeFiles, configuration, path, await localKubeconfig(nodeFiles, configuration)),
  })
  const { isUsable, lines } = validationReport(path, configuration, findings)
  process.stdout.write(`${lines.join('\n')}\n`)
  return isUsable ? EXIT.ok : EXIT.config
}
