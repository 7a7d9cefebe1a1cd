import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ADAPTER = fileURLToPath(new URL('../../../src/adapters/network.ts', import.meta.url))
/** Two networks, a default route by one of them, and none for IPv6. */
const NETWORKS = `
ip link set lo up
ip link add one type veth peer name two
ip address add 10.231.78.2/24 dev one
ip address add 10.231.78.7/24 dev one
ip address add fd00:78::2/64 dev one nodad
ip address add 10.231.79.2/24 dev two
ip link set one up
ip link set two up
ip route add default via 10.231.78.1`

/** What a process says there that is asked for its own addresses towards each of `peers`, in a network namespace of its own. */
function ownAddresses(setUp: string, peers: readonly string[]): string[][] {
  const program = `
    const { systemNetwork } = await import(${JSON.stringify(ADAPTER)})
    console.log(JSON.stringify(await Promise.all(${JSON.stringify(peers)}.map(systemNetwork.ownAddresses))))`
  const script = `set -e\n${setUp}\nexec "$0" --input-type=module -e "$1"`
  const argv = ['--net', 'sh', '-c', script, process.execPath, program]
  return JSON.parse(execFileSync('unshare', argv, { encoding: 'utf8' })) as string[][]
}

const { status } = spawnSync('unshare', ['--net', 'sh', '-c', NETWORKS])
const describeIt = status === 0 ? describe : describe.skip
const why = status === 0 ? '' : ' (skipped: no network namespace can be made here)'

describeIt(`systemNetwork${why}`, () => {
  it('has the addresses from which the kernel sends to the peer and to other networks, each once', () => {
    const peers = ['10.231.79.9', '10.231.78.9', 'fd00:78::9', 'api.example.com', '127.0.0.1']
    assert.deepEqual(ownAddresses(NETWORKS, peers), [
      ['10.231.79.2', '10.231.78.2'],
      ['10.231.78.2'],
      ['fd00:78::2', '10.231.78.2'],
      ['10.231.78.2'],
      ['10.231.78.2'],
    ])
  })

  it('has none where no route leads anywhere', () => {
    assert.deepEqual(ownAddresses('ip link set lo up', ['10.0.0.1', '::1', '127.0.0.1']), [[], [], []])
  })
})
