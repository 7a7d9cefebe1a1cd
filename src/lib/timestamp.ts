/** Writes points in time as RFC 3339 in UTC; it does not read them. */

const digits = (value: number, count: number): string => String(value).padStart(count, '0')

/**
 * Exactly what `Date.prototype.toISOString` gives, and a RangeError for what is no date. By hand, because V8 asks ICU for the
 * local time zone there, although none is shown: 0.9 MB for the life of the process (docs/adr/0006).
 */
export function timestamp(atMs: number): string {
  const date = new Date(atMs)
  const year = date.getUTCFullYear()
  // An invalid date, or a year that RFC 3339 has no form for.
  if (!(year >= 0 && year <= 9999)) return date.toISOString()
  const day = `${digits(year, 4)}-${digits(date.getUTCMonth() + 1, 2)}-${digits(date.getUTCDate(), 2)}`
  const hour = `${digits(date.getUTCHours(), 2)}:${digits(date.getUTCMinutes(), 2)}:${digits(date.getUTCSeconds(), 2)}`
  return `${day}T${hour}.${digits(date.getUTCMilliseconds(), 3)}Z`
}
