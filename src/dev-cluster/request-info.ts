/** What a URL and a method mean to the API (apiserver `request.RequestInfo`): verb, group, resource, name. */
import { parseFieldSelector } from './field-selector.ts'

export interface RequestInfo {
  /** Lower case: get, list, watch, create, update, patch, delete; the method itself for a path that is no resource. */
  verb: string
  path: string
  query: URLSearchParams
  resource?:
    | {
        group: string
        version: string
        namespace: string | undefined
        resource: string
        subresource: string | undefined
        name: string | undefined
      }
    | undefined
}

const verbs: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}

/** A boolean of the query as Go's conversion reads it: only `false` and `0` are false. */
const isTrue = (value: string | null): boolean => value !== null && value !== 'false' && value !== '0'

export function requestInfo(method: string, target: string): RequestInfo {
  const url = new URL(target, 'https://apiserver.invalid')
  const resource = resourceOf(url.pathname)
  if (resource === undefined) return { verb: method.toLowerCase(), path: url.pathname, query: url.searchParams }
  const verb = verbs[method] ?? method.toLowerCase()
  const info = { verb, path: url.pathname, query: url.searchParams, resource }
  if (resource.name !== undefined) return info
  // A list or watch of one name is authorized, and refused, under that name.
  const name = exactName(url.searchParams.get('fieldSelector'))
  if (verb === 'delete') return { ...info, verb: 'deletecollection' }
  if (verb !== 'get') return info
  return { ...info, verb: isTrue(url.searchParams.get('watch')) ? 'watch' : 'list', resource: { ...resource, name } }
}

function resourceOf(path: string): RequestInfo['resource'] {
  const [root, ...rest] = path
    .split('/')
    .filter((part) => part !== '')
    .map(decoded)
  const [group, version, ...parts] = root === 'api' ? ['', ...rest] : root === 'apis' ? rest : []
  if (group === undefined || version === undefined || parts.length === 0) return undefined
  const isNamespaced = parts[0] === 'namespaces' && parts.length > 2
  const [resource = '', name, subresource] = isNamespaced ? parts.slice(2) : parts
  return { group, version, namespace: isNamespaced ? parts[1] : undefined, resource, subresource, name }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function exactName(fieldSelector: string | null): string | undefined {
  const terms = fieldSelector === null ? [] : parseFieldSelector(fieldSelector)
  return terms?.find(({ field, operator }) => field === 'metadata.name' && operator === '=')?.value
}
