/**
 * What may be found on a disk after the power has failed: everything that was synced, and of the rest any part. A directory's
 * entry that was not synced is there or not, whichever other is; a file's content that was not is empty, cut off or zeros.
 */
import type { SimulatedDisk } from './disk.ts'
import { applyChange, type DirectoryNode, type FileNode, type Tree, type TreeNode } from './tree.ts'

/** Up to so many unsynced changes every combination of them is tried. */
const MOST_COMBINED = 6

/** A way in which what was not synced is kept or lost. */
type Torn = (content: Uint8Array) => Uint8Array

const tears: readonly Torn[] = [
  (content) => content,
  (content) => content.slice(0, content.length / 2),
  (content) => new Uint8Array(content.length),
  () => new Uint8Array(),
]

/** Each once, by all that can be seen of it. `isVolatile`: what is in memory, and gone after a boot. */
export function* powerCuts(
  disk: SimulatedDisk,
  isVolatile: (path: string) => boolean,
): Generator<[content: string, disk: SimulatedDisk]> {
  const seen = new Set<string>()
  for (const isKept of choices(disk.tree.pending.length))
    for (const tear of tears) {
      const after = disk.clone()
      remount(after.tree, isKept, tear)
      for (const [path] of after.leaves()) if (isVolatile(path)) after.take(path)
      const content = digest(after)
      if (seen.has(content)) continue
      seen.add(content)
      yield [content, after]
    }
}

/** Which of `count` changes reached the disk. */
function* choices(count: number): Generator<(index: number) => boolean> {
  if (count <= MOST_COMBINED) {
    for (let bits = 0; bits < 2 ** count; bits += 1) yield (index) => (bits >> index) % 2 === 1
    return
  }
  yield () => false
  for (let one = 0; one < count; one += 1) {
    yield (index) => index <= one
    yield (index) => index !== one
    yield (index) => index === one
  }
}

function remount(tree: Tree, isKept: (index: number) => boolean, tear: Torn): void {
  for (const [index, change] of tree.pending.entries()) if (isKept(index)) applyChange(change.directory.synced, change)
  tree.pending = []
  reread(tree.root, tear)
}

function reread(directory: DirectoryNode, tear: Torn): void {
  directory.entries = new Map(directory.synced)
  for (const node of directory.entries.values())
    if (node.kind === 'directory') reread(node, tear)
    else if (node.kind === 'file') settle(node, tear)
}

function settle(node: FileNode, tear: Torn): void {
  if (!node.isSynced) node.content = tear(node.content)
  node.isSynced = true
}

/** Of all that can be seen: paths, contents, modes. */
function digest(disk: SimulatedDisk): string {
  const lines: string[] = []
  for (const [path, node] of disk.leaves()) lines.push(`${path}\0${lineOf(node)}`)
  return lines.join('\n')
}

const lineOf = (node: Exclude<TreeNode, DirectoryNode>): string =>
  node.kind === 'link' ? `-> ${node.target}` : `${node.mode} ${Buffer.from(node.content).toString('latin1')}`
