/** The text of join.yaml to a configuration, or to every problem that it has. Reads no file and asks nothing of the world. */
import * as v from 'valibot'
import type { Discovery, Hook, JoinConfiguration, TokenSource } from './configuration.ts'
import { contradictions } from './contradictions.ts'
import { childOf, readDocument, type Finding, type ReadDocument, type Tree } from './document.ts'
import { explain } from './explain.ts'
import { parseNodeName } from './host-name.ts'
import type { ConfigurationProblem } from './problems.ts'
import { joinSchema, type ValidJoin } from './schema.ts'
import { survey } from './survey.ts'

export interface ParseContext {
  /** As it shall appear in front of each problem. */
  file: string
  /** The node's name where the file gives none. */
  hostName: string
}

export type ParseResult = { configuration: JoinConfiguration } | { problems: ConfigurationProblem[] }

/** Never throws for what a text holds. Problems come in the order of their places, at least one where there is any. */
export function parseConfiguration(text: string, { file, hostName }: ParseContext): ParseResult {
  const document = readDocument(text)
  const { tree, findings } = document
  if (tree === undefined) {
    return { problems: located(findings.length > 0 ? findings : [emptyFinding], document, file) }
  }
  const surveyed = survey(tree, joinSchema)
  const checked = v.safeParse(joinSchema, surveyed.value)
  const name = parseNodeName(hostName)
  const all = [
    ...findings,
    ...surveyed.findings,
    ...(checked.issues ?? []).map((issue) => explain(issue, joinSchema, tree)),
    ...(tree.kind === 'mapping' ? contradictions(tree) : []),
    ...('value' in name ? [] : hostNameFindings(tree, name.message)),
  ]
  if (all.length > 0 || !checked.success) return { problems: located(all, document, file) }
  return { configuration: configurationOf(checked.output, 'value' in name ? name.value : '') }
}

const emptyFinding: Finding = {
  offset: 0,
  path: '',
  message: 'holds no configuration',
  expected:
    'at least apiVersion: node-bootstrap/v1, kind: JoinConfiguration and discovery with one of token, file and https',
}

/** A host name that is no node name matters only where the file gives no other. */
function hostNameFindings(tree: Tree, message: string): Finding[] {
  const node = childOf(tree, 'node')
  if (tree.kind !== 'mapping' || childOf(node, 'name') !== undefined) return []
  const offset = (node ?? tree).offset
  return [
    {
      offset,
      path: 'node.name',
      message: `is not given, and the host name is no node name: it ${message}`,
      expected: 'an RFC 1123 name here, such as worker-1',
    },
  ]
}

function located(findings: readonly Finding[], { place }: ReadDocument, file: string): ConfigurationProblem[] {
  return findings
    .toSorted((left, right) => left.offset - right.offset)
    .map(({ offset, path, message, expected }) => ({ file, ...place(offset), path, message, expected }))
}

function configurationOf(valid: ValidJoin, hostName: string): JoinConfiguration {
  const token = tokenSource(valid.bootstrap)
  return {
    node: { name: valid.node.name ?? hostName },
    discovery: discoveryOf(valid.discovery),
    bootstrap: token === undefined ? {} : { token },
    certificate: {
      keyAlgorithm: valid.certificate.keyAlgorithm,
      ...(valid.certificate.duration === undefined ? {} : { durationMs: valid.certificate.duration }),
      rotation: valid.certificate.rotation,
      ...(valid.certificate.serving === undefined ? {} : { serving: valid.certificate.serving }),
    },
    hooks: { afterJoin: valid.hooks.afterJoin.map(hookOf), afterRenew: valid.hooks.afterRenew.map(hookOf) },
    recovery: valid.recovery,
    kubelet: valid.kubelet,
    files: valid.files,
    metrics: valid.metrics,
    log: valid.log,
    policy: valid.policy,
  }
}

function discoveryOf({ token, file, https, timeout }: ValidJoin['discovery']): Discovery {
  const timeoutMs = timeout
  if (file !== undefined) return { kind: 'file', ...file, timeoutMs }
  if (https !== undefined) return { kind: 'https', ...https, timeoutMs }
  const source = token === undefined ? undefined : tokenSource(token)
  if (token === undefined || source === undefined) throw new TypeError('a valid configuration has a discovery')
  const { endpoints, caCertHashes, unsafeSkipCAVerification, caFile } = token
  const ca = caFile === undefined ? {} : { caFile }
  return { kind: 'token', endpoints, token: source, caCertHashes, unsafeSkipCAVerification, ...ca, timeoutMs }
}

function hookOf({ command, reloadOrRestart, timeout }: ValidJoin['hooks']['afterJoin'][number]): Hook {
  if (command !== undefined) return { kind: 'command', command, timeoutMs: timeout }
  return { kind: 'units', units: reloadOrRestart ?? [], timeoutMs: timeout }
}

function tokenSource({ token, tokenFile, tokenCredential }: ValidJoin['bootstrap']): TokenSource | undefined {
  if (token !== undefined) return { kind: 'inline', token }
  if (tokenFile !== undefined) return { kind: 'file', path: tokenFile }
  return tokenCredential === undefined ? undefined : { kind: 'credential', name: tokenCredential }
}
