/** Writes the join.yaml of a node that joins a test's control plane, with every file it may touch inside one directory. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ControlPlane } from './control-plane.ts'

export interface JoinFiles {
  kubeconfig: string
  certificates: string
  ca: string
  state: string
  runtime: string
}

export interface JoinConfigurationOptions {
  directory: string
  controlPlane: Pick<ControlPlane, 'endpoint' | 'caCertHash'>
  /** For discovery and, by its default, for the certificate request. */
  token: string
  /** Default: worker-1. */
  nodeName?: string
  /** Merged in at the end, mapping by mapping; undefined removes a key. */
  overrides?: Readonly<Record<string, unknown>>
}

export interface WrittenJoinConfiguration {
  /** Of the join.yaml. */
  path: string
  /** The paths in it, before the overrides. */
  files: JoinFiles
  /** What was written. */
  document: Readonly<Record<string, unknown>>
}

export async function writeJoinConfiguration(options: JoinConfigurationOptions): Promise<WrittenJoinConfiguration> {
  const { directory, controlPlane, token, nodeName = 'worker-1', overrides = {} } = options
  const files = joinFiles(directory)
  const document = merge(
    {
      apiVersion: 'node-bootstrap/v1',
      kind: 'JoinConfiguration',
      node: { name: nodeName },
      discovery: {
        token: { endpoints: [controlPlane.endpoint], token, caCertHashes: [controlPlane.caCertHash] },
        timeout: '30s',
      },
      files,
      log: { level: 'debug', format: 'json' },
    },
    overrides,
  )
  const path = join(directory, 'join.yaml')
  // JSON is YAML: the library that the agent reads it with has no part in writing it.
  await writeFile(path, `${JSON.stringify(document, undefined, 2)}\n`, { mode: 0o600 })
  return { path, files, document }
}

/** Laid out below `directory` as the defaults are below `/`. */
export function joinFiles(directory: string): JoinFiles {
  return {
    kubeconfig: join(directory, 'etc/kubernetes/kubelet.conf'),
    certificates: join(directory, 'var/lib/kubelet/pki'),
    ca: join(directory, 'etc/kubernetes/pki/ca.crt'),
    state: join(directory, 'var/lib/node-bootstrap'),
    runtime: join(directory, 'run/node-bootstrap'),
  }
}

type Mapping = Readonly<Record<string, unknown>>

function merge(base: Mapping, overrides: Mapping): Mapping {
  const merged = new Map(Object.entries(base))
  for (const [key, value] of Object.entries(overrides)) {
    const before = merged.get(key)
    if (value === undefined) merged.delete(key)
    else merged.set(key, isMapping(before) && isMapping(value) ? merge(before, value) : value)
  }
  return Object.fromEntries(merged)
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
