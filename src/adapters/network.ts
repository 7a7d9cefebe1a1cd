/** This machine's own addresses, as the kernel's routes choose them. It sends no packet and asks no name server. */
import { createSocket } from 'node:dgram'
import { isIP } from 'node:net'
import type { Network } from '../lib/ports.ts'

/** Documentation addresses (RFC 5737, RFC 3849): nobody's, so the default route leads to them. */
const ELSEWHERE = [
  [4, '192.0.2.1'],
  [6, '2001:db8::1'],
] as const
/** Any: nothing is sent there. */
const PORT = 9
/** Loopback and link-local addresses: no other machine reaches this one by them, or not by them alone. */
const UNREACHABLE = /^(127\.|169\.254\.|0\.|::1?$|fe[89ab][0-9a-f]:)/

export const systemNetwork: Network = {
  ownAddresses: async (peer) => {
    const family = isIP(peer)
    const targets = [...(family === 4 || family === 6 ? [[family, peer] as const] : []), ...ELSEWHERE]
    const found = await Promise.all(targets.map(([version, address]) => sourceAddress(version, address)))
    return [...new Set(found.filter((address) => address !== undefined && !UNREACHABLE.test(address)))] as string[]
  },
}

/** From which the kernel would send to `address`: connect(2) of a datagram socket chooses it. Undefined without a route. */
function sourceAddress(version: 4 | 6, address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(version === 4 ? 'udp4' : 'udp6')
    const end = (found?: string): void => {
      socket.close()
      resolve(found)
    }
    socket.once('error', () => {
      end()
    })
    socket.connect(PORT, address, () => {
      end(socket.address().address)
    })
  })
}
