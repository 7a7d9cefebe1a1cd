/** Writes the texts of a package that are made from the program itself: manual pages, completions, notices, changelogs. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { debianChangelog, rpmChangelog } from './texts/changelog.ts'
import { bashCompletion, fishCompletion, zshCompletion } from './texts/completions.ts'
import { configurationManual, type JsonSchema } from './texts/configuration-manual.ts'
import { debianCopyright, thirdPartyNotices } from './texts/notices.ts'
import { programManual } from './texts/program-manual.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const [directory, version, maintainer] = process.argv.slice(2)
const epoch = Number(process.env['SOURCE_DATE_EPOCH'])
if (directory === undefined || version === undefined || maintainer === undefined || !Number.isInteger(epoch))
  throw new Error('usage: SOURCE_DATE_EPOCH=SECONDS package-texts.ts DIR PACKAGE_VERSION MAINTAINER')

const release = { version, maintainer, date: new Date(epoch * 1000) }
const texts = {
  'node-bootstrap.8.scd': programManual(version),
  'join.yaml.5.scd': configurationManual(JSON.parse(read('packaging/join.schema.json')) as JsonSchema),
  'completion.bash': bashCompletion(),
  'completion.zsh': zshCompletion(),
  'completion.fish': fishCompletion(),
  'third-party-notices': thirdPartyNotices(root),
  copyright: debianCopyright(),
  'changelog.debian': debianChangelog(read('CHANGELOG.md'), release),
  'changelog.rpm': rpmChangelog(read('CHANGELOG.md'), release),
}
for (const [name, text] of Object.entries(texts)) writeFileSync(join(directory, name), text)
