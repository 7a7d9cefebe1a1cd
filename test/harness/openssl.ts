/** openssl(1) as the judge of what the code under test wrote or read. */
import { execFile } from 'node:child_process'

/** Its standard output; rejects where it does not exit with 0. */
export function openssl(args: readonly string[], input: string | Uint8Array = ''): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = execFile('openssl', args, { encoding: 'buffer' }, (error, stdout) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`openssl ${args.join(' ')}`, { cause: error }))
    })
    // It may end without having read anything: how it ends is what counts.
    child.stdin?.on('error', () => undefined).end(input)
  })
}

export const opensslText = async (args: readonly string[], input?: string | Uint8Array): Promise<string> =>
  (await openssl(args, input)).toString('utf8')
