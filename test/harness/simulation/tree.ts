/**
 * A file system's tree as two truths: what processes see, and what of it is on the disk. It knows no paths; `disk.ts` does.
 */

export interface FileNode {
  kind: 'file'
  content: Uint8Array
  mode: number
  modifiedMs: number
  /** The content and the mode are on the disk. The entry that leads here is the directory's. */
  isSynced: boolean
}

export interface LinkNode {
  kind: 'link'
  target: string
  modifiedMs: number
}

export interface DirectoryNode {
  kind: 'directory'
  mode: number
  modifiedMs: number
  /** As processes see it. */
  entries: Map<string, TreeNode>
  /** As it is on the disk. */
  synced: Map<string, TreeNode>
}

export type TreeNode = FileNode | LinkNode | DirectoryNode

/** One change of a directory that is not on its disk yet: it gets there whole or not at all. */
export interface PendingChange {
  directory: DirectoryNode
  removes: string | undefined
  sets: [name: string, node: TreeNode] | undefined
}

export interface Tree {
  root: DirectoryNode
  /** In the order in which they were made. */
  pending: PendingChange[]
  /** Nothing can be written any more: a file is created, and stays empty. */
  isFull: boolean
}

export const newDirectory = (mode: number, modifiedMs: number): DirectoryNode => ({
  kind: 'directory',
  mode,
  modifiedMs,
  entries: new Map(),
  synced: new Map(),
})

export function applyChange(entries: Map<string, TreeNode>, { removes, sets }: PendingChange): void {
  if (removes !== undefined) entries.delete(removes)
  if (sets !== undefined) entries.set(...sets)
}

/** Of both truths. Contents are shared: nothing changes them in place. */
export function cloneTree({ root, pending, isFull }: Tree): Tree {
  const clones = new Map<TreeNode, TreeNode>()
  const cloneOf = <Node extends TreeNode>(node: Node): Node => {
    const known = clones.get(node)
    if (known !== undefined) return known as Node
    const clone = { ...node }
    clones.set(node, clone)
    if (clone.kind === 'directory') {
      clone.entries = new Map([...clone.entries].map(([name, entry]) => [name, cloneOf(entry)]))
      clone.synced = new Map([...clone.synced].map(([name, entry]) => [name, cloneOf(entry)]))
    }
    return clone
  }
  return {
    root: cloneOf(root),
    isFull,
    pending: pending.map(({ directory, removes, sets }) => ({
      directory: cloneOf(directory),
      removes,
      sets: sets === undefined ? undefined : [sets[0], cloneOf(sets[1])],
    })),
  }
}

/** Every path with what stands there, as processes see it; directories before what is in them. */
export function* walk(directory: DirectoryNode, path = ''): Generator<[path: string, node: TreeNode]> {
  for (const [name, node] of [...directory.entries].sort(([one], [other]) => (one < other ? -1 : 1))) {
    yield [`${path}/${name}`, node]
    if (node.kind === 'directory') yield* walk(node, `${path}/${name}`)
  }
}
