/** Bundles the program into dist/ or the directory that is named, split so that a command and a phase of the join load no more than they need. */
import { build, type Plugin } from 'esbuild'
import { rm } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { fileURLToPath } from 'node:url'

const root = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

const directory = process.argv[2] ?? root('dist')

/** Bundled CommonJS packages expect a `require` for Node's own modules. */
const REQUIRE = `import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);`

/**
 * Takes Node's own modules by getBuiltinModule. An import statement would read every export of them at once, and reading
 * `http.WebSocket` alone loads all of fetch.
 */
const builtins: Plugin = {
  name: 'builtins',
  setup: (bundle) => {
    bundle.onResolve({ filter: /^[a-z]/ }, ({ path }) => (isBuiltin(path) ? { path, namespace: 'builtin' } : undefined))
    bundle.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)})`,
      loader: 'js',
    }))
  },
}

await rm(directory, { recursive: true, force: true })
const { metafile } = await build({
  entryPoints: { 'node-bootstrap': root('src/cli/main.ts') },
  bundle: true,
  splitting: true,
  outdir: directory,
  outExtension: { '.js': '.mjs' },
  chunkNames: 'chunks/[name]-[hash]',
  platform: 'node',
  target: 'node24',
  format: 'esm',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'eof',
  banner: { js: REQUIRE },
  // The same library as ES modules: what is unused falls away, and it loads in half the time.
  alias: { yaml: root('node_modules/yaml/browser/dist/index.js') },
  inject: [root('scripts/no-form-data.js')],
  plugins: [builtins],
  metafile: true,
  logLevel: 'warning',
})
const bytes = Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0)
console.log(`${directory}: ${Object.keys(metafile.outputs).length} files, ${Math.round(bytes / 1024)} kB`)
