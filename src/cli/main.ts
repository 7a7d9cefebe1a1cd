/** The command line: picks the command, loads only what it needs, and turns whatever ends it into one message and status. */
import { parseArgs } from 'node:util'
import { isJournal } from '../compose/log-style.ts'
import { EXIT, type ExitStatus } from '../lib/error-codes.ts'
import { asBootstrapError, BootstrapError } from '../lib/errors.ts'
import { COMMANDS, type CommandDescription, type CommandName } from './commands.ts'
import { commandHelp, programHelp } from './help.ts'
import type { Command, Invocation } from './invocation.ts'

const commands: Readonly<Record<CommandName, () => Promise<Command>>> = {
  run: async () => (await import('./run.ts')).run,
  status: async () => (await import('./status.ts')).status,
  renew: async () => (await import('./renew.ts')).renew,
  wait: async () => (await import('./wait.ts')).wait,
  fingerprint: async () => (await import('./fingerprint.ts')).fingerprint,
  reset: async () => (await import('./reset.ts')).reset,
  validate: async () => (await import('./validate.ts')).validate,
  version: async () => (await import('./version.ts')).version,
}

function usageError({ name }: CommandDescription, message: string): BootstrapError {
  return new BootstrapError('usage', message, { hint: `see node-bootstrap ${name} --help` })
}

function parse(command: CommandDescription, args: string[]): Invocation {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { ...command.options, help: { type: 'boolean', short: 'h' } },
      allowPositionals: command.argument !== undefined,
      strict: true,
    })
    if (positionals.length > 1) throw usageError(command, `${command.name} takes one ${command.argument ?? 'argument'}`)
    return { values, argument: positionals[0] }
  } catch (thrown) {
    if (thrown instanceof BootstrapError) throw thrown
    throw usageError(command, thrown instanceof Error ? thrown.message : 'the arguments cannot be read')
  }
}

async function main(args: string[]): Promise<ExitStatus> {
  const [name, ...rest] = args
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(programHelp())
    return name === undefined ? EXIT.usage : EXIT.ok
  }
  const command = COMMANDS.find((known) => known.name === (name === '--version' ? 'version' : name))
  if (command === undefined) throw new BootstrapError('usage', `there is no command ${JSON.stringify(name)}`)
  const invocation = parse(command, rest)
  if (invocation.values['help'] === true) {
    process.stdout.write(commandHelp(command))
    return EXIT.ok
  }
  return await (
    await commands[command.name]()
  )(invocation)
}

function tell(thrown: unknown): ExitStatus {
  const error = asBootstrapError(thrown)
  const lines = `node-bootstrap: ${error.message}\n  (${error.code}) ${error.hint}\n`
  // There each line has a priority of its own (sd-daemon(3)), and who asks for errors is to see this one.
  process.stderr.write(isJournal(process.env['JOURNAL_STREAM']) ? lines.replace(/^(?=.)/gm, '<3>') : lines)
  return error.exitStatus
}

// Not awaited here: a CommonJS bundle has no top-level await.
void main(process.argv.slice(2))
  .catch(tell)
  .then((status) => {
    process.exitCode = status
  })
