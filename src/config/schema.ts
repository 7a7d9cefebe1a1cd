/**
 * The shape of join.yaml: its keys, types, defaults, and the words about each. Checks and JSON Schema both come from here;
 * what depends on two keys at once is in contradictions.ts. A `title` completes "expected: …", so it is a noun phrase.
 */
import * as v from 'valibot'
import { BOOTSTRAP_TOKEN_PATTERN } from '../lib/bootstrap-token.ts'
import { REQUIREMENTS } from '../lib/findings.ts'
import { KEY_ALGORITHMS } from '../lib/key-algorithm.ts'
import type { LogFormat } from './configuration.ts'
import { parseEndpoint } from './endpoint.ts'
import { parseNodeName } from './host-name.ts'
import type { Parsed } from './problems.ts'
import {
  parseAddress,
  parseCredentialName,
  parseHttpsUrl,
  parsePin,
  parseTextfile,
  parseToken,
  parseUnitName,
} from './scalars.ts'
import { choice, duration, parsedBy, path, section, text } from './schema-kinds.ts'
import type { LogLevel } from '../lib/ports.ts'

/** The keys of which a place has exactly one. */
export const DISCOVERY_KEYS = ['token', 'file', 'https'] as const
export const TOKEN_KEYS = ['token', 'tokenFile', 'tokenCredential'] as const
export const HOOK_KEYS = ['command', 'reloadOrRestart'] as const

export const DEFAULT_FILES = {
  kubeconfig: '/etc/kubernetes/kubelet.conf',
  certificates: '/var/lib/kubelet/pki',
  ca: '/etc/kubernetes/pki/ca.crt',
  state: '/var/lib/node-bootstrap',
  runtime: '/run/node-bootstrap',
} as const

const DEFAULT_KUBELET_CONFIG = '/var/lib/kubelet/config.yaml'

const logLevels = ['error', 'warn', 'info', 'debug'] as const satisfies readonly LogLevel[]
const logFormats = ['auto', 'text', 'json'] as const satisfies readonly LogFormat[]

const exactlyOneOf = (keys: readonly string[]) => keys.map((key) => ({ required: [key] }))

/** Each is asked a quarter of a second after the one before: the last must not be asked only when the attempt is long over. */
const MAX_ENDPOINTS = 100

const tokenKeys = {
  token: v.exactOptional(
    text(parseToken, {
      title: 'a bootstrap token: 6 characters, a dot and 16 characters, all of a-z and 0-9',
      description: 'The bootstrap token itself. Anyone who can read this file can then use it.',
      examples: ['abcdef.0123456789abcdef'],
      pattern: BOOTSTRAP_TOKEN_PATTERN,
    }),
  ),
  tokenFile: v.exactOptional(path('The file that holds the bootstrap token.', '/etc/node-bootstrap/token')),
  tokenCredential: v.exactOptional(
    text(parseCredentialName, {
      title: 'the name of a systemd credential, such as bootstrap-token',
      description: 'The systemd credential (LoadCredential= of the unit) that holds the bootstrap token.',
      examples: ['bootstrap-token'],
      pattern: '^[^/:\\s]+$',
    }),
  ),
}

const authoritiesFile = (description: string) => v.exactOptional(path(description, '/etc/node-bootstrap/ca.crt'))

const CLUSTER_CA =
  'The cluster’s CA certificates (PEM), distributed out of band: what is discovered may then carry none, and no other.'

const caCertHashes = (description: string) =>
  v.exactOptional(
    v.pipe(
      v.array(
        text(parsePin, {
          title: 'sha256: and 64 hex digits, in quotes',
          description: 'SHA-256 of a CA certificate’s public key (SubjectPublicKeyInfo).',
          pattern: '^[sS][hH][aA]256:[0-9a-fA-F]{64}$',
        }),
      ),
      v.metadata({
        title: 'a list of pins, each sha256: and 64 hex digits',
        description,
        examples: [[`sha256:${'0123456789abcdef'.repeat(4)}`]],
      }),
    ),
    [],
  )

const tokenDiscovery = section(
  {
    endpoints: v.pipe(
      v.array(
        text(parseEndpoint, {
          title: 'host:port, such as 10.0.0.10:6443 or "[fd00::10]:6443"',
          description: 'host:port, without a scheme; IPv6 as "[::1]:6443".',
        }),
      ),
      v.metadata({
        title: 'a list of host:port, such as ["10.0.0.10:6443"]',
        description: 'The API servers, asked in turn; the first good answer wins.',
        examples: [['10.0.0.10:6443', '10.0.0.11:6443']],
      }),
      v.minLength(1, 'is an empty list'),
      v.maxLength(MAX_ENDPOINTS, ({ received }) => `has ${received} entries, more than ${MAX_ENDPOINTS}`),
    ),
    ...tokenKeys,
    caCertHashes: caCertHashes('Pins of the cluster’s CA, as kubeadm prints them; one match is enough.'),
    unsafeSkipCAVerification: v.exactOptional(
      v.pipe(
        v.boolean(),
        v.metadata({
          title: 'true or false, without quotes',
          description:
            'true: neither pins nor caFile are needed, and whoever knows the token can pose as the cluster. Pins that are given are enforced anyway.',
        }),
      ),
      false,
    ),
    caFile: authoritiesFile(CLUSTER_CA),
  },
  {
    description:
      'Finds the cluster’s CA in its public cluster-info, authenticated by the bootstrap token and the pins.',
    oneOf: exactlyOneOf(TOKEN_KEYS),
  },
)

const fileDiscovery = section(
  {
    path: path('The kubeconfig that names server and CA.', '/etc/node-bootstrap/cluster-info.yaml'),
    caFile: authoritiesFile(CLUSTER_CA),
  },
  { description: 'Takes server and CA, and perhaps a credential, from a kubeconfig on this machine.' },
)

const httpsDiscovery = section(
  {
    url: text(parseHttpsUrl, {
      title: 'an https URL, such as https://config.example.com/cluster-info.yaml',
      description: 'Where the kubeconfig is. Without user and password.',
      examples: ['https://config.example.com/cluster-info.yaml'],
      pattern: '^https://',
    }),
    caFile: authoritiesFile(
      'The CA certificates (PEM) of the https server, in place of the system’s roots; of the cluster too, where the kubeconfig and clusterCAFile say nothing.',
    ),
    caCertHashes: caCertHashes(
      'Pins of the https server’s CA, of an intermediate or of its own certificate; one match is enough, and only what matches vouches for it.',
    ),
    clusterCAFile: authoritiesFile(CLUSTER_CA),
  },
  { description: 'Takes server and CA, and perhaps a credential, from a kubeconfig that an https server hands out.' },
)

const discovery = section(
  {
    token: v.exactOptional(tokenDiscovery),
    file: v.exactOptional(fileDiscovery),
    https: v.exactOptional(httpsDiscovery),
    timeout: v.exactOptional(
      duration('1s', '24h', 'How long one attempt may take; another follows after it, with backoff, for ever.', '5m'),
      '5m',
    ),
  },
  {
    title: 'a mapping with exactly one of token, file and https',
    description: 'How the cluster is found, and why what answers is believed.',
    oneOf: exactlyOneOf(DISCOVERY_KEYS),
  },
)

const window = v.pipe(
  v.array(v.pipe(v.number(), v.metadata({ title: 'a number between 0 and 1, without quotes' }))),
  v.metadata({
    title: 'two numbers such as [0.7, 0.9]',
    description: 'The part of the lifetime in which the certificate is renewed: 0 < from < to < 1.',
    examples: [[0.7, 0.9]],
    minItems: 2,
    maxItems: 2,
  }),
  parsedBy(parseWindow),
)

function parseWindow(bounds: number[]): Parsed<readonly [number, number]> {
  const expected = 'two numbers with 0 < from < to < 1, such as [0.7, 0.9]'
  const [from, to] = bounds
  if (from === undefined || to === undefined || bounds.length !== 2) {
    return { message: `has ${bounds.length} ${bounds.length === 1 ? 'number' : 'numbers'}, not 2`, expected }
  }
  if (from <= 0 || to >= 1) return { message: 'reaches beyond the lifetime', expected }
  if (from >= to) return { message: 'does not begin before it ends', expected }
  return { value: [from, to] }
}

const serving = section(
  {
    names: v.exactOptional(
      v.pipe(
        v.array(
          text(parseNodeName, {
            title: 'a DNS name, such as worker-1.example.com',
            description: 'A name by which the kubelet’s server is reached.',
          }),
        ),
        v.metadata({
          title: 'a list of DNS names',
          description: 'The names by which the kubelet’s server is reached. Default: the node’s name.',
          examples: [['worker-1', 'worker-1.example.com']],
        }),
      ),
    ),
    addresses: v.exactOptional(
      v.pipe(
        v.array(
          text(parseAddress, {
            title: 'an IP address, such as 10.0.0.21',
            description: 'An address at which the kubelet’s server is reached.',
          }),
        ),
        v.metadata({
          title: 'a list of IP addresses',
          description:
            'The addresses at which the kubelet’s server is reached. Default: those from which this machine reaches the API server and other networks.',
          examples: [['10.0.0.21', 'fd00::21']],
        }),
        v.minLength(1, 'is an empty list'),
      ),
    ),
  },
  {
    description:
      'Given, even as {}: a certificate for the kubelet’s server too (signer kubernetes.io/kubelet-serving), as kubelet-server-current.pem in files.certificates. Kubernetes approves none of these by itself.',
  },
)

const certificate = section(
  {
    keyAlgorithm: v.exactOptional(choice(KEY_ALGORITHMS, 'The kind of private key.'), 'ECDSA-P256'),
    duration: v.exactOptional(
      duration('10m', '87600h', 'The lifetime to ask for; without it, the signer’s own.', '24h'),
    ),
    rotation: v.exactOptional(
      section(
        {
          owner: v.exactOptional(
            choice(
              ['agent', 'kubelet'],
              'Who renews the certificate. With kubelet the agent only joins, watches and warns.',
            ),
            'agent',
          ),
          window: v.exactOptional(window, [0.7, 0.9]),
        },
        { description: 'The renewal before the certificate expires.' },
      ),
      {},
    ),
    serving: v.exactOptional(serving),
  },
  { description: 'The client certificate that becomes the kubelet’s identity, and the one of its server.' },
)

const commandTitle = 'a list of texts that begins with the absolute path of a program'

function parseCommand(argv: string[]): Parsed<readonly string[]> {
  const [program] = argv
  if (program === undefined) return { message: 'is an empty list', expected: commandTitle }
  if (!program.startsWith('/')) return { message: 'does not begin with an absolute path', expected: commandTitle }
  if (argv.some((argument) => argument.includes('\0')))
    return { message: 'has a zero byte in it', expected: commandTitle }
  return { value: argv }
}

const hook = section(
  {
    command: v.exactOptional(
      v.pipe(
        v.array(
          v.pipe(v.string(), v.metadata({ title: 'a text, in quotes where YAML would take it for another type' })),
        ),
        v.metadata({
          title: commandTitle,
          description: 'A program and its arguments. No shell reads them.',
          examples: [['/usr/local/bin/announce', '--joined']],
          minItems: 1,
        }),
        parsedBy(parseCommand),
      ),
    ),
    reloadOrRestart: v.exactOptional(
      v.pipe(
        v.array(
          text(parseUnitName, {
            title: 'the full name of a unit, such as kubelet.service',
            description: 'A unit. One that does not run is started.',
            pattern: '^[^-/\\s][^/\\s]*\\.[a-z]+$',
          }),
        ),
        v.metadata({
          title: 'a list of units, such as [kubelet.service]',
          description: 'Units for systemctl reload-or-restart.',
          examples: [['kubelet.service']],
        }),
        v.minLength(1, 'is an empty list'),
      ),
    ),
    timeout: v.exactOptional(
      duration(
        '1s',
        '10m',
        'After this it is ended, with all that it started, and counts as failed. What systemd does to units goes on.',
        '1m',
      ),
      '1m',
    ),
  },
  {
    title: 'a mapping with exactly one of command and reloadOrRestart',
    description:
      'Run as the agent’s user until it succeeds, at least once for each certificate. The environment says what has changed.',
    oneOf: exactlyOneOf(HOOK_KEYS),
  },
)

const hookList = (description: string) =>
  v.exactOptional(v.pipe(v.array(hook), v.metadata({ title: 'a list of hooks', description })), [])

const hooks = section(
  {
    afterJoin: hookList('For the first certificate.'),
    afterRenew: hookList('For each further certificate; each one for the kubelet’s server is a further one.'),
  },
  {
    description:
      'What is run, one after the other, once certificate, CA and kubeconfig are in place and the API server has accepted the node’s certificate.',
  },
)

const recovery = section(
  {
    rejoin: v.exactOptional(
      choice(
        ['same-cluster', 'any', 'never'],
        'Whether a node whose certificate has expired or is lost joins again with the bootstrap credential: only the cluster that it knew, any that discovery finds, or not at all; with six new keys an hour at most. A cluster whose CA was replaced altogether is the one that it knew where a pin or a CA file vouches for the new one. That it had joined is known while one of its pair, its kubeconfig and cluster.json in files.state is there.',
      ),
      'same-cluster',
    ),
  },
  { description: 'The way back after the certificate has expired or is lost.' },
)

const metrics = section(
  {
    textfile: v.exactOptional(
      text(parseTextfile, {
        title: 'an absolute path that ends in .prom',
        description:
          'Where the metrics are written for node_exporter, whose --collector.textfile.directory it lies in; the unit needs ReadWritePaths= for that directory. Default: nowhere.',
        examples: ['/var/lib/prometheus/node-exporter/node-bootstrap.prom'],
        pattern: '^/.*\\.prom$',
      }),
    ),
  },
  { description: 'What is told to Prometheus.' },
)

const kubelet = section(
  {
    config: v.exactOptional(
      path(
        'The kubelet’s own configuration file, only read: to see whether it rotates the certificate too.',
        DEFAULT_KUBELET_CONFIG,
      ),
      DEFAULT_KUBELET_CONFIG,
    ),
  },
  { description: 'The kubelet beside the agent.' },
)

const files = section(
  {
    kubeconfig: v.exactOptional(
      path('The kubelet’s kubeconfig, written.', DEFAULT_FILES.kubeconfig),
      DEFAULT_FILES.kubeconfig,
    ),
    certificates: v.exactOptional(
      path('The directory of the certificates and keys, written.', DEFAULT_FILES.certificates),
      DEFAULT_FILES.certificates,
    ),
    ca: v.exactOptional(path('The cluster’s CA certificates, written.', DEFAULT_FILES.ca), DEFAULT_FILES.ca),
    state: v.exactOptional(
      path('The directory of the pending key and the verified cluster-info.', DEFAULT_FILES.state),
      DEFAULT_FILES.state,
    ),
    runtime: v.exactOptional(path('The directory of status.json.', DEFAULT_FILES.runtime), DEFAULT_FILES.runtime),
  },
  { description: 'Where things are written. Absolute, and all different.' },
)

const policy = section(
  {
    require: v.exactOptional(
      v.pipe(
        v.array(choice(REQUIREMENTS, 'What must hold: the trade-off against it is then fatal.')),
        v.metadata({
          title: 'a list of requirements, such as [pinned]',
          description: 'The trade-offs that are not accepted; docs/security.md says what each of them means.',
          examples: [['pinned', 'private-secrets']],
        }),
      ),
      [],
    ),
  },
  { description: 'What the trust in the cluster must not rest on.' },
)

export const joinSchema = v.pipe(
  v.strictObject({
    apiVersion: v.pipe(v.literal('node-bootstrap/v1'), v.metadata({ description: 'The version of this format.' })),
    kind: v.pipe(v.literal('JoinConfiguration'), v.metadata({ description: 'What this file is.' })),
    node: v.exactOptional(
      section(
        {
          name: v.exactOptional(
            text(parseNodeName, {
              title: 'an RFC 1123 name, such as worker-1',
              description: 'The node’s name. Trimmed and lower-cased. Default: the host name.',
              examples: ['worker-1', 'worker-1.example.com'],
            }),
          ),
        },
        { description: 'The node that this machine becomes.' },
      ),
      {},
    ),
    discovery,
    bootstrap: v.exactOptional(
      section(tokenKeys, {
        description:
          'What authenticates the certificate request. Default: the discovery token, or the discovered kubeconfig’s user.',
        maxProperties: 1,
      }),
      {},
    ),
    certificate: v.exactOptional(certificate, {}),
    hooks: v.exactOptional(hooks, {}),
    recovery: v.exactOptional(recovery, {}),
    kubelet: v.exactOptional(kubelet, {}),
    files: v.exactOptional(files, {}),
    metrics: v.exactOptional(metrics, {}),
    log: v.exactOptional(
      section(
        {
          level: v.exactOptional(choice(logLevels, 'The least important line that is still written.'), 'info'),
          format: v.exactOptional(
            choice(logFormats, 'auto: journald priorities under systemd, colour on a terminal, else text.'),
            'auto',
          ),
        },
        { description: 'The log, on standard error.' },
      ),
      {},
    ),
    policy: v.exactOptional(policy, {}),
  }),
  v.metadata({
    title: 'a mapping that begins with apiVersion: node-bootstrap/v1',
    description: 'join.yaml: how node-bootstrap makes this machine a node.',
  }),
)

export type ValidJoin = v.InferOutput<typeof joinSchema>
