/** The commands as data: help, argument parsing, completions and the manual page are made from this one table. */

export interface OptionDescription {
  type: 'string' | 'boolean'
  short?: string
  /** What stands for the value in help. */
  value?: string
  /** Each value that it takes, where these are known. */
  choices?: readonly string[]
  description: string
}

/** What `wait` can wait for. */
export const GOALS = ['joined', 'renewed', 'healthy', 'serving'] as const

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

const runtimeOption: OptionDescription = {
  type: 'string',
  value: 'DIR',
  description: 'where the agent writes its status: files.runtime of join.yaml, for who may not read that file',
}

const timeoutOption: OptionDescription = {
  type: 'string',
  value: 'DURATION',
  description: 'give up after this ("90s", "10m"); without it, wait for as long as it takes',
}

export const COMMANDS = [
  {
    name: 'run',
    summary: 'join the cluster and keep the node’s certificate fresh (the daemon)',
    details: [
      'Runs until it is stopped by SIGTERM or SIGINT. SIGHUP, or a change of the configuration, takes effect at once.',
      'With --once, a failure that may mend itself is tried again for discovery.timeout of join.yaml; what cannot mend itself ends it at once.',
    ],
    options: {
      config: configOption,
      once: {
        type: 'boolean',
        description: 'end when the node has joined and its certificate is accepted, or cannot: see the exit statuses',
      },
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
      'For any user: where /etc/node-bootstrap/join.yaml is not readable, or holds a mistake, /run/node-bootstrap is looked at, or --runtime. Exits with 0 when the node is healthy, 75 while it waits, 69 when no agent runs or the one that runs does not keep its status, and otherwise with the exit status of what is wrong.',
    ],
    options: {
      config: configOption,
      json: {
        type: 'boolean',
        description: 'print it as JSON: status.json, whether its agent runs, and whether it keeps that true',
      },
      runtime: runtimeOption,
    },
  },
  {
    name: 'wait',
    summary: 'wait until the node has joined, is renewed, is healthy, or serves',
    details: [
      'For any user, as status. joined: a valid certificate, which the API server has accepted and has not refused twice since, and its kubeconfig are in place. renewed: the certificate (with --serving, the one for the kubelet’s server) is another than when the waiting began. healthy: a running agent says that all is well. serving: there is a valid serving certificate. Each change of the state is printed to standard error on the way.',
      'When the time is over it exits with the exit status of what stands in the way: 69 when no agent runs or the one that runs does not keep its status, 77 when the request was denied, 75 when it is only not yet so.',
    ],
    options: {
      for: {
        type: 'string',
        value: 'GOAL',
        choices: GOALS,
        description: 'required: joined, renewed, healthy or serving',
      },
      serving: { type: 'boolean', description: 'with --for=renewed: the certificate for the kubelet’s server' },
      timeout: timeoutOption,
      config: configOption,
      runtime: runtimeOption,
    },
  },
  {
    name: 'renew',
    summary: 'renew the certificate, or the one for the kubelet’s server, now',
    details: [
      'The agent that runs does it; where none runs, this command does it in its place and ends. The certificate in force stays until the new one has been checked. What was asked for is kept in files.state until it is done, also over a restart. It is about the node’s own certificate or, with --serving, the one for the kubelet’s server, which waits until somebody has approved it.',
      'Waits for the new certificate. Ends with the exit status of a refusal, and with 75 where there is no certificate yet.',
    ],
    options: {
      config: configOption,
      serving: { type: 'boolean', description: 'the certificate for the kubelet’s server, in place of the node’s own' },
      timeout: timeoutOption,
      'no-wait': {
        type: 'boolean',
        description: 'only ask the agent, which must run, and do not wait for the certificate',
      },
    },
  },
  {
    name: 'fingerprint',
    summary: 'print the digests of the key, the certificate and the CA, to compare them',
    details: [
      'Of the key whose request is under way, of the certificate in force and of the cluster’s CA: SHA-256, each with the openssl or kubectl command that prints the same digits.',
    ],
    options: { config: configOption, json: { type: 'boolean', description: 'print them as JSON' } },
  },
  {
    name: 'reset',
    summary: 'remove what the agent keeps on this machine',
    details: [
      'Shows what it would remove; only --yes removes it. join.yaml always stays, and so do a kubeconfig, a CA bundle and metrics that another program wrote in the place of the agent’s. Refuses while the agent runs. Safe to run again, also after it was interrupted.',
    ],
    options: {
      config: configOption,
      yes: { type: 'boolean', description: 'remove it' },
      'kubelet-files': {
        type: 'boolean',
        description:
          'also what the kubelet uses: its kubeconfig, the CA of the cluster, and every pair of certificate and key that has the name of one in files.certificates, also one that the kubelet made itself',
      },
    },
  },
  {
    name: 'validate',
    argument: 'FILE',
    summary: 'check a join configuration and show every problem in it',
    details: [
      'Prints FILE:LINE:COLUMN: KEY: what is wrong; what would be right. Where there is no problem it prints ok, and each trade-off that the configuration and the modes and owners of its files make. Exits with 78 where there is any problem, or a trade-off that policy.require forbids.',
      'Of the files that it names no content is checked: that one is missing or malformed, the agent says.',
    ],
    options: { config: configOption },
  },
  { name: 'version', summary: 'print the version', details: [], options: {} },
] as const satisfies readonly CommandDescription[]

export type CommandName = (typeof COMMANDS)[number]['name']
