/** Debian's changelog, from CHANGELOG.md's newest chapter: the older ones are in the project's own file. */

/** Throws where CHANGELOG.md has no chapter with items. */
export function debianChangelog(changelog: string, version: string, maintainer: string, date: Date): string {
  const chapter = /^## .*\n([^]*?)(?=^## |$(?![^]))/m.exec(changelog)?.[1] ?? ''
  const items = [...chapter.matchAll(/^- ([^]*?)(?=\n- |\n\n|$(?![^]))/gm)].map(([, text = '']) =>
    text.trim().replace(/\s+/g, ' '),
  )
  if (items.length === 0) throw new Error('CHANGELOG.md: the newest chapter has no items')
  const lines = items.map((item) =>
    wrapped(item)
      .map((line, index) => `${index === 0 ? '  * ' : '    '}${line}`)
      .join('\n'),
  )
  // RFC 5322, in UTC.
  const stamp = date.toUTCString().replace('GMT', '+0000')
  return `node-bootstrap (${version}) unstable; urgency=medium\n\n${lines.join('\n')}\n\n -- ${maintainer}  ${stamp}\n`
}

const WIDTH = 74

function wrapped(text: string): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? ''
    if (last !== '' && last.length + word.length >= WIDTH) lines.push(word)
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`
  }
  return lines
}
