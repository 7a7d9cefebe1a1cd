/** The commands as data: help, argument parsing and, in time, completions and man pages are made from this one table. */

export interface OptionDescription {
  type: 'string' | 'boolean'
  short?: string
  /** What stands for the value in help. */
  value?: string
  description: string
}

export interface CommandDescription {
  name: string
  /** Of the positional argument, where the command takes one. */
  argument?: string
  summary: string
  /** Paragraphs. */
  details: readonly string[]
  options: Readonly<Record<string, OptionDescription>>
}

const configOption: OptionDescription = {
  type: 'string',
  short: 'c',
  value: 'FILE',
  description: 'the join configuration (default: /etc/node-bootstrap/join.yaml)',
}

export const COMMANDS = [
  {
    name: 'run',
    summary: 'join the cluster and keep the node’s certificate fresh (the daemon)',
    details: [
      'Runs until it is stopped by SIGTERM or SIGINT. SIGHUP, or a change of the configuration, takes effect at once.',
    ],
    options: {
      config: configOption,
      once: { type: 'boolean', description: 'end when the node has joined, or cannot: see the exit statuses' },
      timeout: {
        type: 'string',
        value: 'DURATION',
        description: 'with --once: give up after this ("90s", "10m"); approval is otherwise waited for without limit',
      },
    },
  },
  {
    name: 'status',
    summary: 'show where the node stands',
    details: [
      'For any user: where join.yaml is not readable, /run/node-bootstrap is looked at, or --runtime. Exits with 0 when the node is healthy, 75 while it waits, 69 when no agent runs or ran here, and otherwise with the exit status of what is wrong.',
    ],
    options: {
      config: configOption,
      json: { type: 'boolean', description: 'print status.json as it is' },
      runtime: {
        type: 'string',
        value: 'DIR',
        description: 'where the agent writes its status: files.runtime of join.yaml, for who may not read that file',
      },
    },
  },
  {
    name: 'validate',
    argument: 'FILE',
    summary: 'check a join configuration and show every problem in it',
    details: [
      'Prints FILE:LINE:COLUMN: KEY: what is wrong; what would be right. Exits with 78 where there is any problem.',
    ],
    options: { config: configOption },
  },
  { name: 'version', summary: 'print the version', details: [], options: {} },
] as const satisfies readonly CommandDescription[]

export type CommandName = (typeof COMMANDS)[number]['name']
