/** The service manager's end of sd_notify(3). Node.js has no datagram sockets: systemd-socket-activate listens, and cat reads. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { access } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

export class NotifySocket {
  readonly path: string
  readonly #child: ChildProcess
  readonly #waiting = new Set<{ message: string; resolve: (text: string) => void }>()
  #received = ''

  private constructor(path: string) {
    this.path = path
    const cat = ['sh', '-c', 'exec cat <&3']
    this.#child = spawn('systemd-socket-activate', ['--datagram', `--listen=${path}`, ...cat], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#received += `${text}\n`
      for (const waiting of this.#waiting) {
        if (!text.includes(waiting.message)) continue
        this.#waiting.delete(waiting)
        waiting.resolve(text)
      }
    })
  }

  static async listen(path: string): Promise<NotifySocket> {
    const socket = new NotifySocket(path)
    while (!(await isThere(path))) await delay(10)
    return socket
  }

  /** How often a message has come so far. */
  count(message: string): number {
    return this.#received.split(message).length - 1
  }

  /** Resolves with the datagram in which the message comes again. */
  next(message: string): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>()
    this.#waiting.add({ message, resolve })
    return promise
  }

  async close(): Promise<void> {
    this.#child.kill()
    await once(this.#child, 'exit')
  }
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
