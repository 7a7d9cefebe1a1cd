import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'

const source = join(import.meta.dirname, '../../src')

/** Each room, and the rooms that it may know: those below it. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  config: ['lib'],
  pki: ['lib'],
  kube: ['pki', 'lib'],
  discovery: ['kube', 'pki', 'config', 'lib'],
  store: ['discovery', 'kube', 'pki', 'lib'],
  findings: ['kube', 'pki', 'config', 'lib'],
  agent: ['store', 'findings', 'discovery', 'kube', 'pki', 'config', 'lib'],
  adapters: ['lib'],
  compose: ['adapters', 'agent', 'store', 'findings', 'discovery', 'kube', 'pki', 'config', 'lib'],
  cli: ['compose', 'adapters', 'agent', 'store', 'findings', 'discovery', 'kube', 'pki', 'config', 'lib'],
  'dev-cluster': ['pki', 'lib'],
}

/** Who may use a package. What talks to the outside world is for the adapters alone. */
const packages: Readonly<Record<string, readonly string[]>> = {
  chokidar: ['adapters'],
  got: ['adapters'],
  jose: ['discovery'],
  'kubernetes-types': ['dev-cluster'],
  'node-forge': ['pki'],
  'systemd-notify': ['adapters'],
  valibot: ['config'],
  winston: ['adapters'],
  yaml: ['config', 'kube'],
}

/** Modules of Node.js that reach out of the process, or wait. The dev cluster is a server and has what it needs. */
const OUTSIDE = /^node:(fs|net|tls|https?|http2|dgram|dns|child_process|cluster|worker_threads|timers|inspector)(\/|$)/
const PURE_OF_NET = ['isIP', 'isIPv4', 'isIPv6']

/** Global names that wait or read a clock, and who may use them beside the adapters. */
const TIMERS = /\b(setTimeout|setInterval|setImmediate|AbortSignal\.timeout|Date\.now|new Date\(\)|performance\.now)\b/g
const timerExceptions: Readonly<Record<string, readonly string[]>> = {
  // The end of the process itself: the grace after SIGTERM, the limit of run --once, and the end after a defect.
  'compose/agent.ts': ['setTimeout', 'setImmediate', 'AbortSignal.timeout'],
}

/** Tables, whose rows are their length. */
const longFiles: Readonly<Record<string, number>> = { 'lib/error-codes.ts': 500, 'config/schema.ts': 500 }
const MAX_LINES = 300

interface Import {
  specifier: string
  /** The file below src, for a relative one that stays in it. */
  file: string | undefined
  names: readonly string[]
}

interface SourceFile {
  /** Below src: `agent/loop.ts`. */
  path: string
  room: string
  text: string
  imports: readonly Import[]
}

function importsOf(path: string, text: string): Import[] {
  const names = namesImported(text)
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName: specifier }) => {
    const target = relative(source, join(source, dirname(path), specifier))
    const isInside = specifier.startsWith('.') && !target.startsWith('..')
    return { specifier, file: isInside ? target : undefined, names: names.get(specifier) ?? [] }
  })
}

function namesImported(text: string): Map<string, string[]> {
  const names = new Map<string, string[]>()
  for (const statement of ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest).statements) {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue
    const bindings = statement.importClause?.namedBindings
    const listed = bindings !== undefined && ts.isNamedImports(bindings) ? bindings.elements : []
    names.set(
      statement.moduleSpecifier.text,
      listed.map(({ name, propertyName }) => (propertyName ?? name).text),
    )
  }
  return names
}

const withoutComments = (text: string): string => text.replace(/\/\*[^]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '')

function read(path: string): SourceFile {
  const text = readFileSync(join(source, path), 'utf8')
  return { path, room: path.split('/')[0] ?? '', text, imports: importsOf(path, text) }
}

const files = globSync('**/*.ts', { cwd: source }).sort().map(read)
const agentFiles = files.filter(({ room }) => room !== 'dev-cluster')

/** A way from `start` back to itself by imports, if there is one. */
function cycleFrom(start: string, edges: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const reached = new Map<string, string[]>([[start, [start]]])
  for (const [at, way] of reached)
    for (const next of edges.get(at) ?? []) {
      if (next === start) return [...way, start]
      if (!reached.has(next)) reached.set(next, [...way, next])
    }
  return undefined
}

describe('architecture', () => {
  it('has only the rooms that are known, and each has files', () => {
    const inhabited = new Set(files.map(({ room }) => room))
    assert.deepEqual([...inhabited].sort(), Object.keys(rooms).sort())
    assert.ok(files.length > 80)
    assert.ok(files.flatMap(({ imports }) => imports).length > 300)
  })

  it('has no import of a room that is not below', () => {
    const upward = files.flatMap(({ path, room, imports }) =>
      imports.flatMap(({ file }) => {
        const target = file?.split('/')[0]
        const isAllowed = target === undefined || target === room || (rooms[room] ?? []).includes(target)
        return isAllowed ? [] : [`${path} imports ${file ?? ''}`]
      }),
    )
    assert.deepEqual(upward, [])
  })

  it('has no import that leaves src, but the version', () => {
    const leaving = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier, file }) => specifier.startsWith('.') && file === undefined)
        .map(({ specifier }) => `${path} ${specifier}`),
    )
    assert.deepEqual(leaving, ['lib/version.ts ../../package.json'])
  })

  it('has no cycle', () => {
    const edges = new Map(files.map(({ path, imports }) => [path, imports.flatMap(({ file }) => file ?? [])]))
    assert.deepEqual(
      files.map(({ path }) => cycleFrom(path, edges)).filter((cycle) => cycle !== undefined),
      [],
    )
  })

  it('uses each package in its rooms only', () => {
    const strangers = files.flatMap(({ path, room, imports }) =>
      imports
        .filter(({ specifier }) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
        .map(({ specifier }) => specifier.split('/')[0] ?? '')
        .filter((name) => !(packages[name] ?? []).includes(room))
        .map((name) => `${path} imports ${name}`),
    )
    assert.deepEqual(strangers, [])
  })

  it('reaches out of the process only in adapters', () => {
    const reaching = agentFiles
      .filter(({ room }) => room !== 'adapters')
      .flatMap(({ path, imports }) =>
        imports
          .filter(({ specifier }) => OUTSIDE.test(specifier))
          .filter(
            ({ specifier, names }) => specifier !== 'node:net' || !names.every((name) => PURE_OF_NET.includes(name)),
          )
          .map(({ specifier }) => `${path} imports ${specifier}`),
      )
    assert.deepEqual(reaching, [])
  })

  it('waits and reads the clock only in adapters', () => {
    const waiting = agentFiles
      .filter(({ room }) => room !== 'adapters')
      .flatMap(({ path, text }) =>
        [...withoutComments(text).matchAll(TIMERS)]
          .map(([name]) => name)
          .filter((name) => !(timerExceptions[path] ?? []).includes(name))
          .map((name) => `${path} uses ${name}`),
      )
    assert.deepEqual(waiting, [])
  })

  it('trusts a server without verification in exactly one place', () => {
    const places = agentFiles
      .filter(({ room, path }) => room !== 'adapters' && path !== 'lib/ports.ts')
      .flatMap(({ path, text }) => [...text.matchAll(/['"`]unverified['"`]/g)].map(() => path))
    assert.deepEqual(places, ['discovery/token-discovery.ts'])
  })

  it('has no file that is too long to be one thing', () => {
    const long = files
      .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
      .filter(({ path, lines }) => lines > (longFiles[path] ?? MAX_LINES))
    assert.deepEqual(long, [])
  })

  it('says in each file, first, what it is for', () => {
    const silent = files.filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text)).map(({ path }) => path)
    assert.deepEqual(silent, [])
  })
})
