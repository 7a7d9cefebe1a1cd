/** Globals whose first mention is dear and whose use here is none, each replaced in the bundle by the least that will do. */

/** Node loads all of fetch for it: 20 ms. */
export class FormData {}

/** Node loads web streams for it, and the messages between workers: 0.6 MB that stay. */
export class ReadableStream {}

/** @sindresorhus/is makes two of them at its import, for the wording of errors; the data of a locale takes 25 ms. */
export class ListFormat {
  format(words) {
    return words.join(', ')
  }
}
