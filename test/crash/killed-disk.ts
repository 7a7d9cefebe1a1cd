/** What holds of the directories of a node whose process was killed; judged without the agent's own parsers. */
import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { KilledNode } from './killed.ts'
import { checkFile, checkLines, keysIn, type Leaf, type Places } from './secrets.ts'

function* everyFile({ directory }: KilledNode): Generator<Leaf> {
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile()) yield { path, mode: statSync(path).mode, content: readFileSync(path) }
  }
}

const placesOf = ({ configPath: joinYaml, files: { state, certificates } }: KilledNode): Places => ({
  joinYaml,
  state,
  certificates,
})

/** Of the keys that a node had, as they are found: what is in force or under way now may be gone at the next look. */
export class Secrecy {
  readonly #node: KilledNode
  readonly #keys = new Map<string, Buffer>()

  constructor(node: KilledNode) {
    this.#node = node
  }

  /** Neither key nor token stands outside its place on the disk, or in what an agent printed. */
  check(lines: readonly string[]): void {
    const places = placesOf(this.#node)
    const files = [...everyFile(this.#node)]
    for (const key of files.flatMap((file) => keysIn(file, places))) this.#keys.set(key.toString('hex'), key)
    const secrets = { token: this.#node.token, keys: [...this.#keys.values()] }
    for (const file of files) checkFile(file, places, secrets)
    checkLines(lines, secrets)
  }
}

const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined

/** A key is forgotten only once its pair is in force: from the first one on there is, at every instant, a link that leads to a good one. */
export function checkPairs(node: KilledNode, hasPair: boolean): void {
  const { certificates, state } = node.files
  for (const { stem, pending } of [
    { stem: 'kubelet-client', pending: join(state, 'pending-request.pem') },
    { stem: 'kubelet-server', pending: join(state, 'serving/pending-request.pem') },
  ]) {
    const link = join(certificates, `${stem}-current.pem`)
    const isMust = hasPair && stem === 'kubelet-client'
    const isForgotten = datedIn(node, stem).length > 0 && !existsSync(pending)
    if (isMust || isForgotten || isThere(link)) checkPair(link)
  }
}

function checkPair(path: string): void {
  const pem = readFileSync(path, 'utf8')
  const key = createPrivateKey(pem.slice(pem.indexOf('-----BEGIN PRIVATE')))
  assert.ok(new X509Certificate(pem).checkPrivateKey(key), `${path} does not belong together`)
}

function datedIn({ files: { certificates } }: KilledNode, stem: string): string[] {
  if (!existsSync(certificates)) return []
  return readdirSync(certificates).filter((name) => name.startsWith(`${stem}-2`))
}

const OF_EVERY_NODE = /\/(join\.yaml|kubelet\.conf|ca\.crt|cluster\.json|keys-made\.json|status\.json|joined)$/

/** In the end: `serving` pairs of the kubelet's server, and one or two of the node's own. */
export function checkNothingLeftOver(node: KilledNode, serving: number): void {
  const [own, others] = [datedIn(node, 'kubelet-client'), datedIn(node, 'kubelet-server')]
  assert.ok(own.length === 1 || own.length === 2, `${own.length} dated pairs`)
  assert.equal(others.length, serving, 'pairs of the kubelet’s server')
  const dated = [...own, ...others].map((name) => join(node.files.certificates, name))
  const left = [...everyFile(node)].filter(({ path }) => !OF_EVERY_NODE.test(path) && !dated.includes(path))
  assert.deepEqual(
    left.map(({ path }) => path),
    [],
    'files are left over',
  )
}
