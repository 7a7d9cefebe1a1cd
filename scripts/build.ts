/** Bundles the program into dist/: one file for each command that is loaded by itself, so that a run takes in no more than it needs. */
import { build } from 'esbuild'
import { rm } from 'node:fs/promises'

const REQUIRE_FOR_COMMONJS = `import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);`


await rm('dist', { recursive: true, force: true })
const { metafile } = await build({
  entryPoints: { 'node-bootstrap': 'src/cli/main.ts' },
  bundle: true,
  splitting: true,
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  chunkNames: 'chunks/[name]-[hash]',
  platform: 'node',
  target: 'node24',
  format: 'esm',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'eof',
  banner: { js: REQUIRE_FOR_COMMONJS },
  metafile: true,
  logLevel: 'warning',
})
const bytes = Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0)
console.log(`dist/: ${Object.keys(metafile.outputs).length} files, ${Math.round(bytes / 1024)} kB`)
