/** The one form of date that HTTP's headers are written in; others are no date. */

/** IMF-fixdate (RFC 9110 §5.6.7). Date.parse alone finds a date in nearly any words that end in a number. */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/

/** Milliseconds since the epoch, or NaN. */
export const httpDate = (text: string): number => (HTTP_DATE.test(text) ? Date.parse(text) : NaN)
