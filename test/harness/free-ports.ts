/** Free loopback ports, chosen by the kernel. Another process may take one before it is used: callers start again then. */
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'

/** All of them are held until the last is known, so that no two are the same. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(async (server) => server[Symbol.asyncDispose]()))
  return ports
}
