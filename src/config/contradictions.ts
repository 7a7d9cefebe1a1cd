/**
 * What two keys say against each other. It looks at the document, not at the checked value, so that these problems are
 * reported beside all others; a value that is wrong by itself is left to the schema.
 */
import { childOf, type Finding, type Mapping, type Tree } from './document.ts'
import { formatEndpoint, parseEndpoint } from './endpoint.ts'
import { formatPath, type Path } from './problems.ts'
import { parsePath } from './scalars.ts'
import { DEFAULT_FILES, DISCOVERY_KEYS, HOOK_KEYS, TOKEN_KEYS } from './schema.ts'

export function contradictions(root: Tree): Finding[] {
  const discovery = childOf(root, 'discovery')
  const token = childOf(discovery, 'token')
  const bootstrap = childOf(root, 'bootstrap')
  return [
    ...(discovery === undefined ? [] : chosen(discovery, ['discovery'], DISCOVERY_KEYS, 'exactly')),
    ...(token === undefined ? [] : chosen(token, ['discovery', 'token'], TOKEN_KEYS, 'exactly')),
    ...(token === undefined ? [] : [...unproven(token), ...repeated(childOf(token, 'endpoints'))]),
    ...(bootstrap === undefined ? [] : chosen(bootstrap, ['bootstrap'], TOKEN_KEYS, 'at most')),
    ...hookFindings(childOf(root, 'hooks')),
    ...servedTwice(childOf(root, 'certificate')),
    ...collisions(root),
    ...overwritten(root),
  ]
}

function isSection(tree: Tree): boolean {
  return tree.kind === 'mapping' || (tree.kind === 'scalar' && tree.value === null)
}

/** Exactly (or at most) one of `keys` in the section at `path`. */
function chosen(tree: Tree, path: Path, keys: readonly string[], count: 'exactly' | 'at most'): Finding[] {
  if (!isSection(tree)) return []
  const expected = `${count} one of ${keys.join(', ')}`
  const given = keys
    .flatMap((key) => {
      const entry = (tree as Partial<Mapping>).entries?.get(key)
      return entry === undefined ? [] : [{ key, offset: entry.keyOffset }]
    })
    .sort((left, right) => left.offset - right.offset)
  if (given.length === 0 && count === 'exactly') {
    return [{ offset: tree.offset, path: formatPath(path), message: `has none of ${keys.join(', ')}`, expected }]
  }
  return given.slice(1).map(({ key, offset }) => ({
    offset,
    path: formatPath([...path, key]),
    message: `is given beside ${given[0]?.key ?? ''}`,
    expected,
  }))
}

function hookFindings(hooks: Tree | undefined): Finding[] {
  return ['afterJoin', 'afterRenew'].flatMap((key) => {
    const list = childOf(hooks, key)
    return (list?.kind === 'list' ? list.items : []).flatMap((item, index) =>
      chosen(item, ['hooks', key, index], HOOK_KEYS, 'exactly'),
    )
  })
}

/** Where the kubelet renews, it asks for its serving certificate itself too: two would write the same files. */
function servedTwice(certificate: Tree | undefined): Finding[] {
  const serving = childOf(certificate, 'serving')
  const owner = childOf(childOf(certificate, 'rotation'), 'owner')
  if (serving === undefined || owner?.kind !== 'scalar' || owner.value !== 'kubelet') return []
  const path = 'certificate.serving'
  const message = 'is given beside certificate.rotation.owner: kubelet'
  return [
    { offset: serving.offset, path, message, expected: 'serverTLSBootstrap: true in the kubelet’s configuration' },
  ]
}

/** Without a pin and a CA file, only the token vouches for the CA: that must be asked for. */
function unproven(token: Tree): Finding[] {
  const pins = childOf(token, 'caCertHashes')
  const skip = childOf(token, 'unsafeSkipCAVerification')
  const hasPins = pins !== undefined && (pins.kind !== 'list' || pins.items.length > 0)
  // A value of the wrong type there is a problem of its own, and hides what was meant.
  const isSkipped = skip?.kind === 'scalar' && skip.value !== false
  if (!isSection(token) || hasPins || isSkipped || childOf(token, 'caFile') !== undefined) return []
  return [
    {
      offset: token.offset,
      path: 'discovery.token',
      message: 'has nothing that proves the CA of the cluster',
      expected: 'caCertHashes, or caFile, or unsafeSkipCAVerification: true to believe whoever knows the token',
    },
  ]
}

function repeated(endpoints: Tree | undefined): Finding[] {
  const first = new Map<string, number>()
  return (endpoints?.kind === 'list' ? endpoints.items : []).flatMap((item, index) => {
    const parsed = item.kind === 'scalar' && typeof item.value === 'string' ? parseEndpoint(item.value) : undefined
    if (parsed === undefined || !('value' in parsed)) return []
    const endpoint = formatEndpoint(parsed.value)
    const earlier = first.get(endpoint)
    if (earlier === undefined) {
      first.set(endpoint, index)
      return []
    }
    const path = formatPath(['discovery', 'token', 'endpoints', index])
    return [
      { offset: item.offset, path, message: `is the same as endpoints[${earlier}]`, expected: 'each endpoint once' },
    ]
  })
}

interface WrittenPath {
  name: string
  path: string
  isFile: boolean
  /** undefined: not in the document, a default. */
  offset: number | undefined
}

/** No two of files.* and metrics.textfile may be the same, and no file may stand where a directory is needed. */
function collisions(root: Tree): Finding[] {
  const written = writtenPaths(root)
  const findings: Finding[] = []
  for (const [index, later] of written.entries()) {
    for (const earlier of written.slice(0, index)) {
      const relation = relate(later, earlier)
      const [at, other] = (later.offset ?? -1) >= (earlier.offset ?? -1) ? [later, earlier] : [earlier, later]
      if (relation === undefined || at.offset === undefined) continue
      const message =
        relation === 'same' ? `is the same path as ${other.name}` : `lies within or around the file ${other.name}`
      findings.push({ offset: at.offset, path: at.name, message, expected: 'a path of its own for each' })
    }
  }
  return findings
}

/** What the agent is told to read, and would replace by something else. */
function overwritten(root: Tree): Finding[] {
  const inputs = [
    ['discovery', 'file', 'path'],
    ['discovery', 'token', 'tokenFile'],
    ['bootstrap', 'tokenFile'],
  ]
  const written = writtenPaths(root).filter(({ isFile }) => isFile)
  return inputs.flatMap((keys) => {
    const node = keys.reduce<Tree | undefined>(childOf, root)
    return (node === undefined ? [] : given(node, formatPath(keys), true)).flatMap(({ name, path }) =>
      written
        .filter((other) => other.path === path)
        .map((other) => ({
          offset: node?.offset ?? 0,
          path: name,
          message: `is read, but written as ${other.name}`,
          expected: 'a path of its own for each',
        })),
    )
  })
}

function relate(left: WrittenPath, right: WrittenPath): 'same' | 'nested' | undefined {
  if (left.path === right.path) return 'same'
  const isInside = (inner: WrittenPath, outer: WrittenPath) => outer.isFile && inner.path.startsWith(`${outer.path}/`)
  return isInside(left, right) || isInside(right, left) ? 'nested' : undefined
}

function writtenPaths(root: Tree): WrittenPath[] {
  const section = childOf(root, 'files')
  const textfile = childOf(childOf(root, 'metrics'), 'textfile')
  const metrics = textfile === undefined ? [] : given(textfile, 'metrics.textfile', true)
  const files = Object.entries(DEFAULT_FILES).flatMap(([key, fallback]): WrittenPath[] => {
    const [name, isFile] = [`files.${key}`, key === 'kubeconfig' || key === 'ca']
    const node = childOf(section, key)
    return node === undefined ? [{ name, path: fallback, isFile, offset: undefined }] : given(node, name, isFile)
  })
  return [...files, ...metrics]
}

function given(node: Tree, name: string, isFile: boolean): WrittenPath[] {
  const parsed = node.kind === 'scalar' && typeof node.value === 'string' ? parsePath(node.value) : undefined
  return parsed !== undefined && 'value' in parsed ? [{ name, path: parsed.value, isFile, offset: node.offset }] : []
}
