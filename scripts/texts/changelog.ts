/** The changelogs of the packages, from CHANGELOG.md's newest chapter: the older ones are in the project's own file. */

export interface Release {
  /** The package's. */
  version: string
  /** `Name <address>` */
  maintainer: string
  date: Date
}

/** Throws where CHANGELOG.md has no chapter with items. */
function newestItems(changelog: string): string[] {
  const chapter = /^## .*\n([^]*?)(?=^## |$(?![^]))/m.exec(changelog)?.[1] ?? ''
  const items = [...chapter.matchAll(/^- ([^]*?)(?=\n- |\n\n|$(?![^]))/gm)].map(([, text = '']) =>
    text.trim().replace(/\s+/g, ' '),
  )
  if (items.length === 0) throw new Error('CHANGELOG.md: the newest chapter has no items')
  return items
}

const bulleted = (items: readonly string[], first: string, further: string): string =>
  items
    .map((item) =>
      wrapped(item)
        .map((line, index) => `${index === 0 ? first : further}${line}`)
        .join('\n'),
    )
    .join('\n')

export function debianChangelog(changelog: string, { version, maintainer, date }: Release): string {
  const items = bulleted(newestItems(changelog), '  * ', '    ')
  // RFC 5322, in UTC.
  const stamp = date.toUTCString().replace('GMT', '+0000')
  return `node-bootstrap (${version}) unstable; urgency=medium\n\n${items}\n\n -- ${maintainer}  ${stamp}\n`
}

/** What stands below %changelog in a spec. */
export function rpmChangelog(changelog: string, { version, maintainer, date }: Release): string {
  const items = bulleted(newestItems(changelog), '- ', '  ').replaceAll('%', '%%')
  const [weekday = '', day, month, year] = date.toUTCString().split(' ')
  return `* ${weekday.slice(0, 3)} ${month} ${day} ${year} ${maintainer} - ${version}-1\n${items}\n`
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
