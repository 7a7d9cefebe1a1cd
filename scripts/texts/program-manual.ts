/** node-bootstrap(8), from the table of commands: scdoc(5)'s source. */
import { COMMANDS, type CommandDescription, type OptionDescription } from '../../src/cli/commands.ts'
import { EXIT_MEANINGS, HELP_OPTION } from '../../src/cli/help.ts'
import { DEFAULT_FILES } from '../../src/config/schema.ts'
import { EXIT } from '../../src/lib/error-codes.ts'
import { bold, entry, literal, plain, section, underlined } from './manual.ts'

const commands: readonly CommandDescription[] = COMMANDS

function term(name: string, { short, value }: OptionDescription): string {
  const long = `${bold(`--${name}`)}${value === undefined ? '' : ` ${underlined(value)}`}`
  return short === undefined ? long : `${bold(`-${short}`)}, ${long}`
}

const sentence = (text: string): string => plain(`${text.charAt(0).toUpperCase()}${text.slice(1)}.`)

function commandSection({ name, argument, summary, details, options }: CommandDescription): string {
  const synopsis = [bold(name), ...(argument === undefined ? [] : [`[${underlined(argument)}]`]), '[options]'].join(' ')
  const rows = Object.entries(options).map(([option, about]) => entry(term(option, about), sentence(about.description)))
  return [`## ${synopsis.replace(/[*_]/g, '')}`, sentence(summary), ...details.map(plain), ...rows].join('\n\n')
}

const files: readonly (readonly [string, string])[] = [
  ['/etc/node-bootstrap/join.yaml', 'What the agent is to do; see *join.yaml*(5). Mode 0600.'],
  [
    `${DEFAULT_FILES.certificates}/kubelet-client-current.pem`,
    'The kubelet’s certificate and key, a link to the newest.',
  ],
  [
    `${DEFAULT_FILES.certificates}/kubelet-server-current.pem`,
    'The same of the kubelet’s server, where join.yaml asks for one.',
  ],
  [DEFAULT_FILES.kubeconfig, 'The kubelet’s kubeconfig, which names the first of these links.'],
  [DEFAULT_FILES.ca, 'The cluster’s CA certificates.'],
  [DEFAULT_FILES.state, 'The verified cluster, and the key and request that have no certificate yet.'],
  [`${DEFAULT_FILES.runtime}/status.json`, 'What *status* shows. Nothing in it is secret.'],
  [
    `${DEFAULT_FILES.runtime}/joined`,
    'There while the node has joined, as *status --json* says too; it starts *node-bootstrap-joined.target*.',
  ],
  ['/usr/share/node-bootstrap/', 'The example configuration, its JSON Schema, and drop-ins for the unit.'],
  [
    '/usr/share/doc/node-bootstrap/docs/',
    'operations.md says what to look at where a node is not ready, errors.md what each code means.',
  ],
]

const environment: readonly (readonly [string, string])[] = [
  [
    'HTTPS_PROXY',
    `The proxy for every connection but those to this machine itself: ${bold('http://[USER:PASSWORD@]HOST:PORT')}, or ${bold('https://')} for a proxy that is itself asked over TLS. In lower case too.`,
  ],
  ['NO_PROXY', 'What is asked directly: names, addresses and CIDRs, with commas in between. In lower case too.'],
  ['SSL_CERT_FILE', 'The CA certificates that this system trusts, in place of the usual file.'],
  ['SSL_CERT_DIR', 'A directory of such certificates, for the one of an https:// proxy alone.'],
]

const units = `*node-bootstrap.service* is enabled by the package, and does not run while join.yaml is the example: after the first edit, *systemctl start node-bootstrap*. It is ready as soon as its loop runs, so that a request that waits for approval does not hold up the boot; *systemctl status* shows where it stands. *systemctl reload* checks join.yaml and takes it at once, and asks again for what was refused.

*node-bootstrap-joined.target* is reached when the node has joined. To start a unit only then, order it after the target and let the target want it:`

const dropIns = `The bootstrap token need not stand in a file that join.yaml names: with *discovery.token.tokenCredential: join-token* it comes from the service manager, in the clear (LoadCredential=) or encrypted for this machine (LoadCredentialEncrypted=). */usr/share/node-bootstrap/drop-ins/* has the drop-ins with their instructions. Credentials are read when the unit starts: after a change, *systemctl restart node-bootstrap*.

Where *files* in join.yaml names other places, the unit needs a drop-in with *ReadWritePaths=* for them. Another *files.runtime* is also for drop-ins of *node-bootstrap-joined.path* (PathExists=) and *node-bootstrap-joined.target* (AssertPathExists=): they look for /run/node-bootstrap/joined.`

/** scdoc's source. */
export function programManual(version: string): string {
  return [
    'node-bootstrap(8)\n',
    section('NAME', 'node-bootstrap - make this machine a trusted Kubernetes node, and keep it one'),
    section('SYNOPSIS', `*node-bootstrap* ${underlined('COMMAND')} [options]`),
    section(
      'DESCRIPTION',
      'node-bootstrap finds and verifies a Kubernetes cluster, makes a key pair, files a certificate request, waits for its approval for as long as that takes, writes the kubelet’s kubeconfig, and renews the certificate for as long as the node lives.',
      `This page describes version ${plain(version)}.`,
    ),
    section(
      'COMMANDS',
      ...commands.map(commandSection),
      entry(term('help', HELP_OPTION), 'With any command: show its help.'),
    ),
    section(
      'EXIT STATUS',
      ...Object.entries(EXIT_MEANINGS).map(([name, meaning]) =>
        entry(bold(String(EXIT[name as keyof typeof EXIT])), sentence(meaning)),
      ),
    ),
    section(
      'UNITS',
      units,
      literal('[Unit]\nAfter=node-bootstrap-joined.target\nConditionPathExists=/run/node-bootstrap/joined'),
      literal('systemctl disable kubelet.service\nsystemctl add-wants node-bootstrap-joined.target kubelet.service'),
    ),
    section('CREDENTIALS AND DROP-INS', dropIns),
    section(
      'ENVIRONMENT',
      'For the unit these are set in a drop-in (*Environment=*).',
      ...environment.map(([name, about]) => entry(bold(name), about)),
    ),
    section('FILES', ...files.map(([path, about]) => entry(underlined(path), about))),
    section('SEE ALSO', '*join.yaml*(5), *systemctl*(1), *systemd-creds*(1), *kubelet*(1)'),
  ].join('\n')
}
