/** Who holds the rights to what is in a package: the bundled libraries' licences, and the Debian copyright file. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Manifest {
  name: string
  version: string
  license?: string
  dependencies?: Readonly<Record<string, string>>
}

const read = (directory: string): Manifest =>
  JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest

/** Every library that may be bundled: the dependencies and theirs. More than what the bundle really holds does no harm. */
function libraries(root: string): { manifest: Manifest; licence: string }[] {
  const found = new Map<string, { manifest: Manifest; licence: string }>()
  const visit = (name: string): void => {
    if (found.has(name)) return
    const directory = join(root, 'node_modules', name)
    const manifest = read(directory)
    const [file] = globSync('{LICENSE,LICENCE,License,license,licence}*', { cwd: directory }).sort()
    found.set(name, { manifest, licence: file === undefined ? '' : readFileSync(join(directory, file), 'utf8') })
    Object.keys(manifest.dependencies ?? {}).forEach(visit)
  }
  Object.keys(read(root).dependencies ?? {}).forEach(visit)
  return [...found.values()].sort((one, other) => (one.manifest.name < other.manifest.name ? -1 : 1))
}

export function thirdPartyNotices(root: string): string {
  const parts = libraries(root).map(
    ({ manifest: { name, version, license = 'see below' }, licence }) =>
      `${name} ${version}: ${license}\n${'-'.repeat(72)}\n${licence.trim()}\n`,
  )
  return `node-bootstrap bundles these libraries. The licences of Node.js, and of what it is made of, are in node-licence.gz.\n\n${parts.join('\n')}`
}

/** A paragraph's text, as debian/copyright wants it. */
const indented = (text: string): string =>
  text
    .trim()
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : ` ${line.trimEnd()}`))
    .join('\n')

export const debianCopyright = (): string => `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: node-bootstrap
Comment: The libraries bundled in *.cjs are under licences of the MIT, BSD, ISC, Apache-2.0 and BlueOak-1.0.0 kind:
 /usr/share/doc/node-bootstrap/third-party-notices.gz has each with its text.

Files: *
Copyright: 2026 the node-bootstrap authors
License: Apache-2.0

Files: usr/lib/node-bootstrap/node
Copyright: 2009-2026 Node.js contributors, Joyent, Inc. and other Node contributors
License: Expat
Comment: With V8, OpenSSL, zlib, libuv, ICU and others, whose licences are in
 /usr/share/doc/node-bootstrap/node-licence.gz.

License: Apache-2.0
 On Debian systems, the full text of the Apache License, Version 2.0 is in
 /usr/share/common-licenses/Apache-2.0.

License: Expat
${indented(EXPAT)}
`

const EXPAT = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`
