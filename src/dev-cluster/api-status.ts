/** Kubernetes' Status objects (apimachinery `api/errors`): every refusal of the API, word for word, as one error class. */
import type { Status, StatusCause } from 'kubernetes-types/meta/v1.d.ts'

/** A resource as error messages name it, and the object's name where one was asked for. */
export interface ResourceName {
  /** Empty for the core group. */
  group: string
  resource: string
  name?: string | undefined
}

export interface FieldError {
  type: 'Required' | 'Invalid' | 'Duplicate' | 'NotSupported' | 'Forbidden' | 'TooLong'
  field: string
  /** What stands behind `field: ` in the message. */
  message: string
}

/** Thrown by a handler; its `status` is the response's body and its `code` the HTTP status. */
export class ApiStatusError extends Error {
  override readonly name = 'ApiStatusError'
  readonly status: Status & { code: number }

  constructor(code: number, reason: string | undefined, message: string, details?: Status['details']) {
    super(message)
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      ...(reason === undefined ? {} : { reason }),
      ...(details === undefined ? {} : { details }),
      code,
    }
  }
}

const qualified = ({ group, resource }: ResourceName): string => (group === '' ? resource : `${resource}.${group}`)

const detailsOf = ({ name, group, resource }: ResourceName): Status['details'] => ({
  ...(name === undefined || name === '' ? {} : { name }),
  ...(group === '' ? {} : { group }),
  kind: resource,
})

const quoted = (text: string): string => JSON.stringify(text)

export const badRequest = (message: string): ApiStatusError => new ApiStatusError(400, 'BadRequest', message)
export const unauthorized = (): ApiStatusError => new ApiStatusError(401, 'Unauthorized', 'Unauthorized')

/** `why` is everything behind `forbidden: `. */
export const forbidden = (target: ResourceName, why: string): ApiStatusError =>
  new ApiStatusError(
    403,
    'Forbidden',
    `${qualified(target)}${target.name === undefined || target.name === '' ? '' : ` ${quoted(target.name)}`} is forbidden: ${why}`,
    detailsOf(target),
  )

export const forbiddenPath = (user: string, verb: string, path: string): ApiStatusError =>
  new ApiStatusError(403, 'Forbidden', `forbidden: User ${quoted(user)} cannot ${verb} path ${quoted(path)}`, {})

export const notFound = (target: ResourceName): ApiStatusError =>
  new ApiStatusError(404, 'NotFound', `${qualified(target)} ${quoted(target.name ?? '')} not found`, detailsOf(target))

export const resourceNotFound = (): ApiStatusError =>
  new ApiStatusError(404, 'NotFound', 'the server could not find the requested resource', {})

export const methodNotAllowed = (): ApiStatusError =>
  new ApiStatusError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {})

export const notAcceptable = (): ApiStatusError => new ApiStatusError(406, 'NotAcceptable', '406: Not Acceptable', {})

export const alreadyExists = (target: ResourceName): ApiStatusError =>
  new ApiStatusError(
    409,
    'AlreadyExists',
    `${qualified(target)} ${quoted(target.name ?? '')} already exists`,
    detailsOf(target),
  )

export const conflict = (target: ResourceName, why: string): ApiStatusError =>
  new ApiStatusError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(target)} ${quoted(target.name ?? '')}: ${why}`,
    detailsOf(target),
  )

/** The body of the ERROR event that ends a watch whose resourceVersion is no longer kept. */
export const expired = (asked: number, oldest: number): ApiStatusError =>
  new ApiStatusError(410, 'Expired', `too old resource version: ${asked} (${oldest})`)

export const tooLarge = (limitBytes: number): ApiStatusError =>
  new ApiStatusError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limitBytes}`)

export const unsupportedMediaType = (): ApiStatusError =>
  new ApiStatusError(
    415,
    'UnsupportedMediaType',
    'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf',
  )

/** Here, and only here, `kind` in the details is the object's kind and not the resource. */
export function invalid(group: string, kind: string, name: string, errors: readonly FieldError[]): ApiStatusError {
  const causes: StatusCause[] = errors.map((error) => ({
    reason: `FieldValue${error.type}`,
    message: error.message,
    field: error.field,
  }))
  const texts = errors.map((error) => `${error.field}: ${error.message}`)
  const all = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`
  return new ApiStatusError(422, 'Invalid', `${kind}.${group} ${quoted(name)} is invalid: ${all}`, {
    ...(name === '' ? {} : { name }),
    group,
    kind,
    causes,
  })
}
