/** Whether what stands in status.json is a status: with what every agent of this version of the document writes, the oldest too. It shows nothing. */
import type { Status } from '../agent/status.ts'
import { fieldAt, numberAt, textAt } from '../lib/json.ts'

export const isStatus = (document: unknown): document is Status =>
  numberAt(document, 'version') === 1 &&
  numberAt(document, 'program', 'pid') !== undefined &&
  hasTexts(fieldAt(document, 'program'), 'version', 'startTime') &&
  hasTexts(document, 'node', 'state', 'summary') &&
  hasTimes(document, 'since') &&
  hasOptional(document, ['configurationProblem', isText], ['joined', isBoolean], ['cluster', isCluster]) &&
  hasOptional(document, ['authentication', isAuthentication], ['serving', isServing], ...ofCertificate) &&
  isListOf(fieldAt(document, 'findings'), isFinding)

type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === 'string'
const isBoolean: Check = (value) => typeof value === 'boolean'
const isTime: Check = (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value))

const hasTexts = (value: unknown, ...names: string[]): boolean =>
  names.every((name) => textAt(value, name) !== undefined)

const hasTimes = (value: unknown, ...names: string[]): boolean => names.every((name) => isTime(fieldAt(value, name)))

const isListOf = (value: unknown, check: Check): boolean => Array.isArray(value) && value.every(check)

/** What may be missing; null is not missing. */
const hasOptional = (value: unknown, ...checks: (readonly [name: string, check: Check])[]): boolean =>
  checks.every(([name, check]) => fieldAt(value, name) === undefined || check(fieldAt(value, name)))

const isFinding: Check = (value) => hasTexts(value, 'id', 'severity', 'requirement', 'seen', 'consequence', 'remedy')

const isCluster: Check = (value) =>
  hasTexts(value, 'server') &&
  isListOf(fieldAt(value, 'caCertHashes'), isText) &&
  isListOf(fieldAt(value, 'evidence', 'verified'), isText) &&
  hasOptional(value, ['published', isPublished])

const isPublished: Check = (value) =>
  hasTexts(value, 'is') && (textAt(value, 'is') === 'in-force' || hasTexts(value, 'why'))

const isAuthentication: Check = (value) => hasTimes(value, 'acceptedAt') || hasTimes(value, 'refusedSince')

const isNames: Check = (value) => isListOf(value, isText)

const isRequest: Check = (value) =>
  hasTexts(value, 'name', 'fingerprint') &&
  hasOptional(value, ['createdAt', isTime], ['approve', isText], ['deny', isText], ['outdated', isText]) &&
  hasOptional(value, ['names', isNames])

const isCertificate: Check = (value) =>
  hasTexts(value, 'subject', 'serialNumber') &&
  hasTimes(value, 'notAfter', 'renewAt') &&
  hasOptional(value, ['names', isNames])

const isProblem: Check = (value) =>
  hasTexts(value, 'code', 'message', 'hint') && hasOptional(value, ['nextAttemptAt', isTime])

const ofCertificate = [
  ['request', isRequest],
  ['certificate', isCertificate],
  ['problem', isProblem],
] as const

const isServing: Check = (value) => hasTexts(value, 'summary') && hasOptional(value, ...ofCertificate)
