/** Conditions of the approval subresource: what a PUT may change, and what kube-apiserver refuses about it. */
import type { FieldError } from './api-status.ts'
import { type CertificateSigningRequest, type Condition, timestamp } from './certificate-signing-requests.ts'
import { isObject } from './request-body.ts'
import { textAt } from './submitted-request.ts'

const isVerdict = ({ type }: Condition): boolean => type === 'Approved' || type === 'Denied'

/** The conditions of a submitted status; throws a 400 for a wrong type. */
export function readConditions(value: unknown): Condition[] {
  if (!Array.isArray(value)) return []
  return value.filter(isObject).map((item) => ({
    type: textAt(item, 'type'),
    status: textAt(item, 'status'),
    ...(textAt(item, 'reason') === '' ? {} : { reason: textAt(item, 'reason') }),
    ...(textAt(item, 'message') === '' ? {} : { message: textAt(item, 'message') }),
  }))
}

/** As submitted, with the server's times: a condition that is not new keeps the moment of its transition. */
export function approvalConditions(
  old: CertificateSigningRequest,
  submitted: readonly Condition[],
  nowMs: number,
): Condition[] {
  const now = timestamp(nowMs)
  return submitted.map((condition) => ({
    ...condition,
    lastUpdateTime: now,
    lastTransitionTime: old.status.conditions?.find(({ type }) => type === condition.type)?.lastTransitionTime ?? now,
  }))
}

export function conditionErrors(conditions: readonly Condition[], before: readonly Condition[]): FieldError[] {
  const isPermanent = (condition: Condition): boolean => isVerdict(condition) || condition.type === 'Failed'
  const differs = (from: readonly Condition[], to: readonly Condition[]): Condition[] =>
    from.filter((condition) => isPermanent(condition) && !to.some(({ type }) => type === condition.type))
  const added = differs(conditions, before).filter((condition) => !isVerdict(condition))
  return [
    ...conditions.flatMap((condition, index) => [
      ...statusErrors(condition, `status.conditions[${index}].status`),
      ...exclusionErrors(conditions, index),
    ]),
    ...differs(before, conditions).map(({ type }) => forbiddenChange('remove', type)),
    ...added.map(({ type }) => forbiddenChange('add', type)),
  ]
}

const forbiddenChange = (verb: 'add' | 'remove', type: string): FieldError => ({
  type: 'Forbidden',
  field: 'status.conditions',
  message: `Forbidden: updates may not ${verb} a condition of type "${type}"`,
})

function statusErrors({ status }: Condition, field: string): FieldError[] {
  if (status === 'True') return []
  if (status === '') return [{ type: 'Required', field, message: 'Required value' }]
  const message = `Unsupported value: ${JSON.stringify(status)}: supported values: "True"`
  return [{ type: 'NotSupported', field, message }]
}

function exclusionErrors(conditions: readonly Condition[], index: number): FieldError[] {
  const condition = conditions[index]
  if (condition === undefined || !isVerdict(condition)) return []
  if (!conditions.slice(0, index).some((other) => isVerdict(other) && other.type !== condition.type)) return []
  const why = 'Approved and Denied conditions are mutually exclusive'
  const message = `Invalid value: "${condition.type}": ${why}`
  return [{ type: 'Invalid', field: `status.conditions[${index}].type`, message }]
}
