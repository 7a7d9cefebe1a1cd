/** What the manual pages share: scdoc(5)'s marks and their escaping. */

/** As plain text, whatever it holds. */
export const plain = (text: string): string => text.replace(/[\\*_`<>~[\]]/g, '\\$&').replace(/^([#.'-])/gm, '\\$1')

export const bold = (text: string): string => `*${plain(text)}*`
export const underlined = (text: string): string => `_${plain(text)}_`

export const section = (title: string, ...paragraphs: string[]): string =>
  [`# ${title}`, ...paragraphs].join('\n\n') + '\n'

/** A term and the paragraphs that explain it. */
export const entry = (term: string, ...paragraphs: string[]): string =>
  [term, ...paragraphs.map((paragraph) => paragraph.replace(/^/gm, '\t'))].join('\n')

/** A block that is shown as it is. */
export const literal = (text: string): string => `\`\`\`\n${text.trimEnd()}\n\`\`\``
