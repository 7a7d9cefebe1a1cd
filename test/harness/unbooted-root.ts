/**
 * The cached Debian 12 root as who makes images sees it: nothing of it runs. What is done to it is in memory and in a mount
 * namespace of its own, and gone when the command has ended.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Standard output of a shell script, which finds the root in $ROOT, and `arguments_` in $1 and so on. Rejects where it fails. */
export async function inUnbootedRoot(root: string, script: string, ...arguments_: string[]): Promise<string> {
  const mount = `
    set -e
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/upper /mnt/work /mnt/root
    mount -t overlay overlay -o lowerdir=$0,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
    export ROOT=/mnt/root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
    ${script}`
  const namespace = ['--mount', '--propagation', 'private', '--', 'sh', '-c', mount, root, ...arguments_]
  return (await run('unshare', namespace, { maxBuffer: 1 << 24 })).stdout
}
