/** Starts a process the way the harness starts its own, prints its id, and waits to be killed. */
import { tmpdir } from 'node:os'
import { Daemon } from '../../harness/child-process.ts'

const { pid } = await Daemon.start({
  name: 'orphan-to-be',
  command: process.execPath,
  args: ['-e', 'setInterval(() => undefined, 1 << 30)'],
  workingDirectory: tmpdir(),
  logPath: '/dev/null',
})
process.stdout.write(`${pid}\n`)
