/** A loopback port that drops packets, as behind a firewall: its process never accepts, and its backlog is full. Linux only. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** Listens with the shortest backlog, says where, and is then blocked for good. */
const PROGRAM = `
const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  require('node:fs').writeSync(1, String(server.address().port))
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})`

/** A backlog of 1 holds two connections (listen(2), sk_acceptq_is_full); the kernel then drops every SYN. */
const CONNECTIONS_THAT_FIT = 2

export class DroppingPort implements AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly endpoint: string
  readonly #end: () => Promise<void>

  private constructor(endpoint: string, end: () => Promise<void>) {
    this.endpoint = endpoint
    this.#end = end
  }

  static async start(): Promise<DroppingPort> {
    const child = spawn(process.execPath, ['-e', PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] })
    const kill = (): void => void child.kill('SIGKILL')
    process.once('exit', kill)
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
    const port = Number(chunk.toString())
    const fillers: Socket[] = []
    for (let count = 0; count < CONNECTIONS_THAT_FIT; count += 1) {
      const filler = connect(port, '127.0.0.1')
      fillers.push(filler)
      filler.on('error', () => undefined)
      await once(filler, 'connect')
    }
    return new DroppingPort(`127.0.0.1:${port}`, async () => {
      for (const filler of fillers) filler.destroy()
      process.off('exit', kill)
      kill()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end()
  }
}
