/**
 * `node-bootstrap reset`: leaves the cluster as far as this machine goes. It shows what it would remove, and removes
 * nothing unless told; never join.yaml, never what is not the agent's, and nothing while an agent runs.
 */
import { acquireInstanceLock, type InstanceLock } from '../adapters/instance-lock.ts'
import { nodeFiles } from '../adapters/files.ts'
import { takeInventory, type InventoryItem } from '../agent/inventory.ts'
import { DEFAULT_PATH, readConfiguration } from '../compose/configuration-file.ts'
import type { JoinConfiguration } from '../config/index.ts'
import { EXIT, type ExitStatus } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import { removeDurably } from '../store/durable-file.ts'
import type { Invocation } from './invocation.ts'

export async function reset({ values }: Invocation): Promise<ExitStatus> {
  const path = typeof values['config'] === 'string' ? values['config'] : DEFAULT_PATH
  const configuration = await readConfiguration(nodeFiles, path)
  const lock = await lockIfThere(configuration.files.state)
  try {
    const items = await takeInventory(nodeFiles, configuration, values['kubelet-files'] === true)
    const isMeant = values['yes'] === true
    process.stdout.write(render(items, isMeant))
    if (!isMeant) return EXIT.ok
    for (const item of items) if (!item.isKept) await removeDurably(nodeFiles, item.path)
    if (items.some(({ isKept }) => !isKept)) process.stdout.write(leftToDo(configuration))
    return EXIT.ok
  } finally {
    await lock?.release()
  }
}

/** Where there is no state directory no agent runs on it, and none is made for a lock. */
async function lockIfThere(stateDirectory: string): Promise<InstanceLock | undefined> {
  if ((await nodeFiles.stat(stateDirectory)) === undefined) return undefined
  try {
    return await acquireInstanceLock(nodeFiles, stateDirectory)
  } catch (thrown) {
    if (!(thrown instanceof BootstrapError) || thrown.code !== 'already-running') throw thrown
    throw new BootstrapError('already-running', `${thrown.message}; nothing was removed`, {
      hint: 'stop it first: systemctl stop node-bootstrap',
      cause: thrown,
    })
  }
}

export function render(items: readonly InventoryItem[], isMeant: boolean): string {
  const going = items.filter(({ isKept }) => !isKept)
  const [verb, end] = isMeant
    ? ['removed', '']
    : ['remove', going.length === 0 ? '' : 'nothing was removed yet: node-bootstrap reset --yes does it\n']
  const lines = [
    ...going.map(({ path, what }) => `${verb.padEnd(8)} ${path}  (${what})\n`),
    ...items.filter(({ isKept }) => isKept).map(({ path, what }) => `keep     ${path}  (${what})\n`),
  ]
  return going.length === 0 ? `${lines.join('')}there is nothing to remove\n` : lines.join('') + end
}

/** What this machine cannot do, or may not by itself. */
const leftToDo = ({ node }: JoinConfiguration): string =>
  `Not done here: the Node object stays (kubectl delete node ${node.name}), and the certificate, which Kubernetes cannot revoke, is good until it expires for whoever has a copy of its key.\n`
