/**
 * Bundles the program into dist/ or the directory that is named: one CommonJS script, which starts sooner than ES modules
 * and in which a library is still evaluated only when it is first imported, and the entry that runs it.
 */
import { build, transform, type BuildOptions, type Plugin } from 'esbuild'
import { readFile, rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const root = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

const directory = process.argv[2] ?? root('dist')

/** What libraries load as soon as they are imported; each with what stands in its place. */
const REPLACED: Readonly<Record<string, string>> = {
  // Nothing here ever uses these. got: caching, HTTP/2, bodies that are compressed, and its own cache of names.
  'cacheable-request': 'export default class {}; export class CacheError extends Error {}',
  'node:http2': 'export const constants = {}; export class Http2ServerResponse {}; export default { constants }',
  'node:zlib': 'export default {}',
  'node:dns': 'export let ADDRCONFIG, ALL, V4MAPPED, getDefaultResultOrder, lookup, promises',
  // winston: its own diagnostics, and colours other than the log adapter's.
  '@dabh/diagnostics': 'module.exports = () => () => undefined',
  '@colors/colors/safe': 'module.exports = {}',
  // A copy of Node's own streams.
  'readable-stream': "module.exports = require('node:stream')",
  'readable-stream/lib/_stream_writable.js': "module.exports = require('node:stream').Writable",
  // chokidar: it loads web streams, readline and the messages between workers (src/adapters/file-changes.ts).
  'node:fs/promises': `
    import fs from 'node:fs'
    import { promisify } from 'node:util'
    export const lstat = promisify(fs.lstat), readdir = promisify(fs.readdir), realpath = promisify(fs.realpath)
    export const stat = promisify(fs.stat)
    export const open = () => { throw new Error('only Windows needs it') }`,
}

const replaceWhatLibrariesLoad: Plugin = {
  name: 'replace-what-libraries-load',
  setup: (bundle) => {
    bundle.onResolve({ filter: /^[@a-z]/ }, ({ path, importer }) =>
      importer.includes('/node_modules/') && Object.hasOwn(REPLACED, path)
        ? { path, namespace: 'replaced' }
        : undefined,
    )
    bundle.onLoad({ filter: /.*/, namespace: 'replaced' }, ({ path }) => ({
      contents: REPLACED[path] ?? '',
      resolveDir: root('.'),
      loader: 'js',
    }))
  },
}

/** Of libraries only: a stack in the log names the functions of the program. */
const shortenNamesOfLibraries: Plugin = {
  name: 'shorten-names-of-libraries',
  setup: (bundle) => {
    bundle.onLoad({ filter: /\/node_modules\/.*\.[cm]?js$/ }, async ({ path }) => ({
      contents: (await transform(await readFile(path, 'utf8'), { minifyIdentifiers: true, target: 'node24' })).code,
      loader: 'js',
    }))
  },
}

await rm(directory, { recursive: true, force: true })
const common = {
  bundle: true,
  outdir: directory,
  outExtension: { '.js': '.cjs' },
  platform: 'node',
  target: 'node24',
  format: 'cjs',
  metafile: true,
  logLevel: 'warning',
} satisfies BuildOptions

const program = await build({
  ...common,
  entryPoints: { program: root('src/cli/main.ts') },
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'eof',
  // The same library as ES modules: what is unused falls away, and it loads in half the time.
  alias: { yaml: root('node_modules/yaml/browser/dist/index.js') },
  inject: [root('scripts/bundle-globals.js')],
  define: { 'Intl.ListFormat': 'ListFormat' },
  supported: {
    // Otherwise esbuild makes constructor calls of them, and does not see which ones nobody uses.
    'regexp-unicode-property-escapes': true,
    // A script that vm runs has require alone.
    'dynamic-import': false,
  },
  plugins: [replaceWhatLibrariesLoad, shortenNamesOfLibraries],
  // As CommonJS would wrap it: the entry takes the file as it is.
  banner: { js: '(function (exports, require, module, __filename, __dirname) {' },
  footer: { js: '})' },
})
const entry = await build({ ...common, entryPoints: { 'node-bootstrap': root('scripts/bundle-entry.ts') } })
const outputs = Object.entries({ ...program.metafile.outputs, ...entry.metafile.outputs })
const bytes = outputs.reduce((sum, [, output]) => sum + output.bytes, 0)
console.log(`${directory}: ${outputs.length} files, ${Math.round(bytes / 1024)} kB`)
