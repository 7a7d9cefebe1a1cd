/**
 * The files port over a tree in memory that keeps apart what is on the disk: content until fsync, and entries of a
 * directory until that directory is synced. As POSIX has it: no order, and no entry that comes with a file's own fsync.
 */
import { basename, dirname, join, resolve } from 'node:path/posix'
import { BootstrapError } from '../../../src/lib/errors.ts'
import type { Clock, FileFacts, Files } from '../../../src/lib/ports.ts'
import { Effects } from './effects.ts'
import {
  applyChange,
  cloneTree,
  newDirectory,
  walk,
  type DirectoryNode,
  type FileNode,
  type Tree,
  type TreeNode,
} from './tree.ts'

const MOST_LINKS = 8

export class SimulatedDisk implements Files {
  readonly tree: Tree
  readonly effects: Effects
  readonly #clock: Pick<Clock, 'nowMs'>

  constructor(clock: Pick<Clock, 'nowMs'>, tree?: Tree, effects = new Effects()) {
    this.#clock = clock
    this.tree = tree ?? { root: newDirectory(0o755, clock.nowMs()), pending: [], isFull: false }
    this.effects = effects
  }

  /** Another disk with all that is on this one and all that is not yet. */
  clone(clock: Pick<Clock, 'nowMs'> = this.#clock): SimulatedDisk {
    return new SimulatedDisk(clock, cloneTree(this.tree))
  }

  /** The same disk as one process sees it, whose effects are counted by themselves. */
  mountedBy(effects: Effects): SimulatedDisk {
    return new SimulatedDisk(this.#clock, this.tree, effects)
  }

  /** What a person does: durable at once, and no effect of the agent. */
  put(path: string, content: string, mode = 0o600): void {
    const modifiedMs = this.#clock.nowMs()
    const node: FileNode = { kind: 'file', content: Buffer.from(content), mode, modifiedMs, isSynced: true }
    let directory = this.tree.root
    for (const name of dirname(path).split('/').filter(Boolean)) {
      const there = directory.entries.get(name)
      const next = there?.kind === 'directory' ? there : newDirectory(0o755, modifiedMs)
      directory.entries.set(name, next)
      directory.synced.set(name, next)
      directory = next
    }
    directory.entries.set(basename(path), node)
    directory.synced.set(basename(path), node)
  }

  /** As `put`: a path and all that is below it. */
  take(path: string): void {
    const directory = this.#directory(dirname(path))
    directory?.entries.delete(basename(path))
    directory?.synced.delete(basename(path))
  }

  /** Through links; undefined where that leads to no file. */
  text(path: string): string | undefined {
    const node = this.#follow(path)
    return node?.kind === 'file' ? Buffer.from(node.content).toString('utf8') : undefined
  }

  /** Everything but directories, as processes see it. */
  *leaves(): Generator<[path: string, node: Exclude<TreeNode, DirectoryNode>]> {
    for (const [path, node] of walk(this.tree.root)) if (node.kind !== 'directory') yield [path, node]
  }

  // Looking never leaves a trace, so it is no effect.

  async read(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    await Promise.resolve()
    const node = this.#follow(path)
    if (node === undefined) return undefined
    if (node.kind !== 'file' || node.content.length > maxBytes)
      throw new BootstrapError('storage-malformed', `${path} is no regular file, or too large`)
    return node.content
  }

  async stat(path: string): Promise<FileFacts | undefined> {
    await Promise.resolve()
    const node = this.#entry(path)
    if (node === undefined) return undefined
    const { kind, modifiedMs } = node
    const mode = node.kind === 'link' ? 0o777 : node.mode
    return { kind, mode, isOthers: false, modifiedMs, sizeBytes: node.kind === 'file' ? node.content.length : 0 }
  }

  async readLink(path: string): Promise<string | undefined> {
    await Promise.resolve()
    const node = this.#entry(path)
    return node?.kind === 'link' ? node.target : undefined
  }

  async realPath(path: string): Promise<string | undefined> {
    await Promise.resolve()
    let real = path
    for (let links = 0; links < MOST_LINKS; links += 1) {
      const node = this.#entry(real)
      if (node?.kind !== 'link') return node === undefined ? undefined : real
      real = resolve(dirname(real), node.target)
    }
    return undefined
  }

  async list(path: string): Promise<string[]> {
    await Promise.resolve()
    return [...(this.#directory(path)?.entries.keys() ?? [])].sort()
  }

  async makeDirectory(path: string, mode: number): Promise<void> {
    await this.effects.perform(`makeDirectory ${path}`, (amid) => this.#makeDirectories(path, mode, amid))
  }

  async #makeDirectories(path: string, mode: number, amid: () => Promise<void>): Promise<void> {
    const there = this.#follow(path)
    if (there?.kind === 'directory') return
    if (there !== undefined) throw new BootstrapError('storage-malformed', `${path} is no directory`)
    await this.#makeDirectories(dirname(path), mode, amid)
    this.#requireRoom(path)
    this.#change(path, { sets: newDirectory(mode, this.#clock.nowMs()) })
    await amid()
    const parent = this.#directory(dirname(path))
    if (parent !== undefined) this.#sync(parent)
    await amid()
  }

  async createSynced(path: string, data: Uint8Array, mode: number, stamp?: number): Promise<void> {
    await this.effects.perform(`create ${path}`, async (amid) => {
      if (this.#entry(path) !== undefined) throw new BootstrapError('storage-malformed', `${path} is there already`)
      const modifiedMs = stamp ?? this.#clock.nowMs()
      const node: FileNode = { kind: 'file', content: new Uint8Array(), mode, modifiedMs, isSynced: false }
      this.#change(path, { sets: node })
      await amid()
      this.#requireRoom(path)
      node.content = data.slice(0, data.length / 2)
      await amid()
      node.content = data.slice()
      await amid()
      node.isSynced = true
    })
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.effects.perform(`link ${path}`, async () => {
      await Promise.resolve()
      if (this.#entry(path) !== undefined) throw new BootstrapError('storage-malformed', `${path} is there already`)
      this.#requireRoom(path)
      this.#change(path, { sets: { kind: 'link', target, modifiedMs: this.#clock.nowMs() } })
    })
  }

  /** Within one directory, as all of the agent's are. */
  async rename(from: string, to: string): Promise<void> {
    await this.effects.perform(`rename ${from} ${to}`, async () => {
      await Promise.resolve()
      const node = this.#entry(from)
      if (node === undefined || dirname(from) !== dirname(to))
        throw new BootstrapError('storage-failed', `${from} cannot be renamed to ${to}`)
      this.#change(to, { sets: node, removes: basename(from) })
    })
  }

  async remove(path: string): Promise<void> {
    await this.effects.perform(`remove ${path}`, async () => {
      await Promise.resolve()
      if (this.#entry(path) !== undefined) this.#change(path, { removes: basename(path) })
    })
  }

  async syncDirectory(path: string): Promise<void> {
    await this.effects.perform(`sync ${path}`, async () => {
      await Promise.resolve()
      const directory = this.#directory(path)
      if (directory === undefined) throw new BootstrapError('storage-failed', `${path} is no directory`)
      this.#sync(directory)
    })
  }

  #sync(directory: DirectoryNode): void {
    directory.synced = new Map(directory.entries)
    this.tree.pending = this.tree.pending.filter((change) => change.directory !== directory)
  }

  #change(path: string, { sets, removes }: { sets?: TreeNode; removes?: string }): void {
    const directory = this.#directory(dirname(path))
    if (directory === undefined) throw new BootstrapError('storage-failed', `${dirname(path)} is no directory`)
    const change = { directory, removes, sets: sets && ([basename(path), sets] satisfies [string, TreeNode]) }
    applyChange(directory.entries, change)
    this.tree.pending.push(change)
  }

  #requireRoom(path: string): void {
    if (this.tree.isFull) throw new BootstrapError('storage-full', `${path} cannot be written (ENOSPC)`)
  }

  #directory(path: string): DirectoryNode | undefined {
    const node = this.#follow(path)
    return node?.kind === 'directory' ? node : undefined
  }

  #follow(path: string, links = 0): TreeNode | undefined {
    const node = this.#entry(path)
    if (node?.kind !== 'link') return node
    return links === MOST_LINKS ? undefined : this.#follow(resolve(dirname(path), node.target), links + 1)
  }

  /** Of the path itself. */
  #entry(path: string): TreeNode | undefined {
    if (path === '/') return this.tree.root
    return this.#directory(dirname(join(path)))?.entries.get(basename(path))
  }
}
