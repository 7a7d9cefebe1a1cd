/**
 * join.yaml as a tree whose every node knows its place in the text. Refuses what a configuration needs none of: a second
 * document, custom tags, YAML 1.1, control characters. Aliases are followed within a bound on the nodes and the depth.
 */
import {
  LineCounter,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  type Document,
  type Node,
  type YAMLMap,
} from 'yaml'
import { MAX_FILE_BYTES } from '../lib/text-file.ts'
import { formatPath, isShowableKey, type Fault, type Path, type PathPart } from './problems.ts'
import { syntaxFault } from './syntax.ts'

/** Of what is neither comment nor blank line: the YAML library takes minutes for a megabyte of nothing but quotes. */
const MAX_CONTENT = 64 * 1024
const MAX_NODES = 10_000
const MAX_DEPTH = 32
const MAX_SYNTAX_FINDINGS = 20
const BOM = '\uFEFF'

export interface Scalar {
  kind: 'scalar'
  value: string | number | boolean | null
  /** As written, for looking at what quotes would make of it. May be a secret. */
  source: string
  /** Whether it stands without quotes, so that YAML itself chose its type. */
  plain: boolean
  offset: number
}

export interface List {
  kind: 'list'
  items: readonly Tree[]
  offset: number
}

export interface Mapping {
  kind: 'mapping'
  entries: ReadonlyMap<string, Entry>
  offset: number
}

export interface Entry {
  keyOffset: number
  tree: Tree
}

export type Tree = Scalar | List | Mapping

/** The value at a key or an index, where there is one. */
export function childOf(tree: Tree | undefined, part: PathPart): Tree | undefined {
  if (tree?.kind === 'mapping' && typeof part === 'string') return tree.entries.get(part)?.tree
  return tree?.kind === 'list' && typeof part === 'number' ? tree.items[part] : undefined
}

/** A problem whose place is still an offset into the text. */
export interface Finding extends Fault {
  offset: number
  path: string
}

export interface Place {
  line: number
  column: number
}

export interface ReadDocument {
  /** undefined: nothing but comments, or nothing that can be looked into further. */
  tree: Tree | undefined
  findings: Finding[]
  place: (offset: number) => Place
}

export function readDocument(fileText: string): ReadDocument {
  const text = fileText.startsWith(BOM) ? fileText.slice(1) : fileText
  const lines = new LineCounter()
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(Math.min(Math.max(offset, 0), text.length))
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const refusal = textFault(text)
  if (refusal !== undefined) return { tree: undefined, findings: [refusal], place: placeBefore(text) }
  const document = parseDocument(text, {
    lineCounter: lines,
    logLevel: 'error',
    prettyErrors: false, // They quote the line, and so a token.
    resolveKnownTags: false,
    schema: 'core',
    stringKeys: true,
    uniqueKeys: false, // Quadratic in the library; the reader below does it with a Map.
    version: '1.2',
  })
  const findings = syntaxFindings(document, text, place)
  if (findings.length > 0) return { tree: undefined, findings, place }
  const reader = new Reader()
  const tree = document.contents === null ? undefined : reader.read(document.contents, [], 0)
  return { tree: reader.isCut || isNothing(tree) ? undefined : tree, findings: reader.findings, place }
}

/** What is wrong with the text before YAML looks at it. */
function textFault(text: string): Finding | undefined {
  if (text.length > MAX_FILE_BYTES || Buffer.byteLength(text) > MAX_FILE_BYTES) {
    return {
      offset: 0,
      path: '',
      message: 'is larger than 1 MiB',
      expected: 'a configuration, which is a few kilobytes',
    }
  }
  if (text.replace(/^[ \t]*(#.*)?\r?\n/gm, '').length > MAX_CONTENT) {
    const message = 'is larger than 64 KiB without its comments'
    return { offset: 0, path: '', message, expected: 'a configuration, which is a few kilobytes' }
  }
  // eslint-disable-next-line no-control-regex -- these are what YAML calls not printable
  const offset = text.search(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/)
  if (offset === -1) return undefined
  const message = text[offset] === '\0' ? 'holds a NUL byte' : 'holds a control character'
  return { offset, path: '', message, expected: 'text in UTF-8 (not UTF-16, not a binary file)' }
}

/** For a text that the YAML parser never saw, and whose lines nobody counted. */
function placeBefore(text: string): (offset: number) => Place {
  return (offset) => {
    const before = text.slice(0, offset)
    return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') }
  }
}

function isNothing(tree: Tree | undefined): boolean {
  return tree?.kind === 'scalar' && tree.value === null
}

/** Every syntax error, one a line: what follows on the same line is mostly an echo of the first. */
function syntaxFindings(document: Document.Parsed, text: string, place: (offset: number) => Place): Finding[] {
  const findings = new Map<number, Finding>()
  const add = (offset: number, fault: Fault) => {
    const { line } = place(offset)
    if (!findings.has(line)) findings.set(line, { offset, path: '', ...fault })
  }
  const { version } = document.directives.yaml
  if (version !== '1.2') {
    add(0, { message: 'is declared as another version of YAML', expected: 'YAML 1.2, or no %YAML line' })
  }
  const errors = [...document.errors, ...document.warnings].sort((left, right) => left.pos[0] - right.pos[0])
  for (const { code, pos } of errors) add(pos[0], syntaxFault(code, text, pos[0]))
  return [...findings.values()].slice(0, MAX_SYNTAX_FINDINGS)
}

class Reader {
  readonly findings: Finding[] = []
  /** Part of the document was not read, so that no more can be said about it. */
  isCut = false
  readonly #anchors = new Map<string, Node>()
  readonly #open = new Set<Node>()
  #nodes = 0

  read(node: unknown, path: Path, keyOffset: number): Tree | undefined {
    const offset = offsetOf(node) ?? keyOffset
    this.#nodes += 1
    if (this.#nodes > MAX_NODES || path.length > MAX_DEPTH) {
      this.#refuseSize(offset)
      return undefined
    }
    if (isAlias(node)) return this.#follow(node.source, path, offset)
    if ((isMap(node) || isSeq(node) || isScalar(node)) && node.anchor !== undefined)
      this.#anchors.set(node.anchor, node)
    if (isMap(node)) return this.#within(node, () => this.#mapping(node, path, offset))
    if (isSeq(node)) {
      const items = () => node.items.map((item, index) => this.read(item, [...path, index], offset))
      return this.#within(node, () => ({ kind: 'list', items: items().filter((item) => item !== undefined), offset }))
    }
    if (isScalar(node)) return readScalar(node.value, node.source ?? '', node.type === 'PLAIN', node, offset, keyOffset)
    return { kind: 'scalar', value: null, source: '', plain: true, offset: keyOffset }
  }

  #mapping(node: YAMLMap, path: Path, offset: number): Mapping {
    const entries = new Map<string, Entry>()
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : ''
      const keyOffset = offsetOf(key) ?? offset
      const here = [...path, name]
      if (entries.has(name)) {
        const expected = isShowableKey(name) ? 'one of the two removed, or both merged' : 'each key once'
        this.findings.push({ offset: keyOffset, path: formatPath(here), message: 'is given twice', expected })
        continue
      }
      const tree = this.read(value, here, keyOffset)
      if (tree !== undefined) entries.set(name, { keyOffset, tree })
    }
    return { kind: 'mapping', entries, offset }
  }

  #follow(anchor: string, path: Path, offset: number): Tree | undefined {
    const node = this.#anchors.get(anchor)
    if (node === undefined || this.#open.has(node)) {
      const message = node === undefined ? 'is an alias (*) without its anchor (&)' : 'is an alias that contains itself'
      this.isCut = true
      this.findings.push({ offset, path: formatPath(path), message, expected: 'the value written out' })
      return undefined
    }
    const tree = this.read(node, path, offset)
    return tree === undefined ? undefined : { ...tree, offset }
  }

  #within<T>(node: Node, read: () => T): T {
    this.#open.add(node)
    try {
      return read()
    } finally {
      this.#open.delete(node)
    }
  }

  #refuseSize(offset: number): void {
    if (this.#nodes === Infinity) return
    this.#nodes = Infinity // So that it is said once, and nothing more is read.
    this.isCut = true
    this.findings.push({
      offset,
      path: '',
      message: 'holds too many values, or values nested too deeply',
      expected: `at most ${MAX_NODES} values, ${MAX_DEPTH} levels deep, aliases followed`,
    })
  }
}

function readScalar(
  value: unknown,
  source: string,
  plain: boolean,
  node: { range?: readonly [number, number, number] | null | undefined },
  offset: number,
  keyOffset: number,
): Scalar {
  if (value === null || value === undefined) {
    const [from = 0, to = 0] = node.range ?? []
    const isWritten = to > from
    return { kind: 'scalar', value: null, source, plain, offset: isWritten ? offset : keyOffset }
  }
  const isKnown = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
  return { kind: 'scalar', value: isKnown ? value : source, source, plain, offset }
}

function offsetOf(node: unknown): number | undefined {
  return isMap(node) || isSeq(node) || isScalar(node) || isAlias(node) ? node.range?.[0] : undefined
}
