/** The text of --help, from the table of commands. */
import { EXIT } from '../lib/error-codes.ts'
import { COMMANDS, type CommandDescription } from './commands.ts'

export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'success; for status: healthy',
  usage: 'the command line is wrong',
  unavailable: 'the cluster, or for status, wait and renew the agent, is not reachable',
  software: 'a defect of node-bootstrap',
  storage: 'this machine’s disk: denied, full, read-only, failing',
  temporary: 'not yet: still waiting, timed out, or another agent runs',
  protocol: 'what answered could not be verified, or is not what it must be',
  refused: 'the cluster refused: credential, permission, or a denied request',
  config: 'the configuration cannot be used',
}

export const HELP_OPTION = { type: 'boolean', short: 'h', description: 'show this help' } as const

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}

function optionRows(options: CommandDescription['options']): [string, string][] {
  return Object.entries({ ...options, help: HELP_OPTION }).map(
    ([name, { short, value, description }]: [string, CommandDescription['options'][string]]) => [
      `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`,
      description,
    ],
  )
}

export function programHelp(): string {
  const commands = COMMANDS.map(({ name, summary }) => [name, summary] as const)
  const statuses = Object.entries(EXIT_MEANINGS).map(
    ([name, meaning]) => [String(EXIT[name as keyof typeof EXIT]), meaning] as const,
  )
  return `node-bootstrap makes this machine a trusted Kubernetes node, and keeps it one.

Usage: node-bootstrap COMMAND [OPTIONS]

Commands:
${columns(commands)}

Exit statuses:
${columns(statuses)}

node-bootstrap COMMAND --help says more of a command.
`
}

export function commandHelp(command: CommandDescription): string {
  const { name, argument, summary, details, options } = command
  const usage = ['node-bootstrap', name, ...(argument === undefined ? [] : [`[${argument}]`]), '[OPTIONS]'].join(' ')
  return [`Usage: ${usage}`, `${summary}.`, ...details, `Options:\n${columns(optionRows(options))}`].join('\n\n') + '\n'
}
