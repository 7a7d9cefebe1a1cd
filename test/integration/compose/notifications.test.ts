import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { NotifySocket } from '../../harness/notify-socket.ts'
import { createScene, DEADLINE_MS, waitForMessage } from '../bad-input/scene.ts'

const missing = ['systemd-notify', 'systemd-socket-activate'].find(
  (program) => spawnSync(program, ['--version']).status !== 0,
)

/** By the clock that systemd compares it with. */
const monotonicMicroseconds = (): bigint => process.hrtime.bigint() / 1000n

;(missing === undefined ? describe : describe.skip)(
  `what the service manager is told${missing === undefined ? '' : ` (skipped: no ${missing})`}`,
  () => {
    it('is READY, RELOADING since when and READY again at a reload, good or bad, and STOPPING at the end', async () => {
      await using scene = await createScene({ clusterOptions: { approval: 'manual' } })
      const socket = await NotifySocket.listen(join(scene.directory, 'notify'))
      try {
        const isReady = socket.next('READY=1')
        const agent = scene.daemon({ env: { NOTIFY_SOCKET: socket.path } })
        await isReady
        await waitForMessage(agent, /the request waits for approval/)
        for (const spoil of [false, true]) {
          if (spoil) await scene.configure({ colour: 'blue' })
          const reloading = socket.next('RELOADING=1')
          const since = monotonicMicroseconds()
          agent.kill('SIGHUP')
          const told = await reloading
          const until = monotonicMicroseconds()
          const [, at = ''] = /^MONOTONIC_USEC=(\d+)/m.exec(told) ?? []
          assert.ok(since <= BigInt(at) && BigInt(at) <= until, `${since}, ${told}, ${until}`)
          // It comes after that, by the order of the notifications; without it the unit would reload for ever.
          const count = socket.count('READY=1')
          if (count === (spoil ? 2 : 1)) await socket.next('READY=1')
        }
        const stopping = socket.next('STOPPING=1')
        agent.kill('SIGTERM')
        await stopping
        assert.equal((await agent.exited).code, 0)
        assert.equal(socket.count('READY=1'), 3)
      } finally {
        await socket.close()
      }
    }).timeout(2 * DEADLINE_MS)
  },
)
