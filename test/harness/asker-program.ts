/**
 * The program of asker.ts: asks the API server for the node's own object, over and over, with the pair that stands in
 * the file at that moment and over a connection of its own each time, as a kubelet that starts just then would.
 * Arguments: URL, CA file, pair file, pause in ms. One line of JSON for each answer.
 */
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { X509Certificate } from 'node:crypto'

const [url = '', caPath = '', pairPath = '', pauseMs = ''] = process.argv.slice(2)

interface Answer {
  /** HTTP status, or why there was none. */
  outcome: number | string
  /** Of the certificate that was asked with. */
  serialNumber?: string
}

function ask(done: (answer: Answer) => void): void {
  let serialNumber = ''
  try {
    const pair = readFileSync(pairPath)
    serialNumber = new X509Certificate(pair).serialNumber
    const asked = request(url, { agent: false, ca: readFileSync(caPath), cert: pair, key: pair, timeout: 10_000 })
    asked.on('response', (response) => {
      response.resume().on('end', () => {
        done({ outcome: response.statusCode ?? 0, serialNumber })
      })
      response.on('error', (error) => {
        done({ outcome: error.message, serialNumber })
      })
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer within 10 s')))
    asked.on('error', (error) => {
      done({ outcome: error.message, serialNumber })
    })
    asked.end()
  } catch (thrown) {
    done({ outcome: String(thrown), serialNumber })
  }
}

// Begun at a fixed pace, whether the last one is answered or not: a slow answer hides no moment.
setInterval(() => {
  ask((answer) => process.stdout.write(`${JSON.stringify(answer)}\n`))
}, Number(pauseMs))
