/** What the agent of a booted machine can reach, looked at from inside its own mount namespace and from its process. */
import type { Machine } from '../harness/machine.ts'
import { agentPid } from './scene.ts'

/** Where others keep what is none of the agent's business: a file in each, or in its place. */
const BAITS = [
  '/run/docker.sock',
  ...['/run/containerd', '/run/crio', '/run/podman', '/root', '/home', '/tmp', '/var/tmp'].map(
    (path) => `${path}/bait`,
  ),
]

export const FOREIGN = [
  ...[
    '/usr',
    '/etc',
    '/boot',
    '/opt',
    '/run',
    '/run/systemd/system',
    '/home',
    '/root',
    '/var/lib',
    '/var/lib/kubelet',
    '/etc/systemd/system',
  ],
  '/etc/kubernetes/manifests',
]
export const OWN = ['/etc/kubernetes', '/var/lib/kubelet/pki', '/var/lib/node-bootstrap', '/run/node-bootstrap']

/** Before the agent starts: what is missing then, the unit leaves alone. */
export const layBaits = (machine: Machine): Promise<string> =>
  machine.run(
    `mkdir -p /boot /opt /etc/kubernetes/manifests /run/containerd /run/crio /run/podman &&
     for bait in ${BAITS.join(' ')}; do echo bait >$bait || exit; done`,
  )

/** The shell has all of root's power, so that it is the mounts that say no, and not a mode. */
const inside = async (machine: Machine, command: string): Promise<string[]> => {
  const text = await machine.run(`nsenter --target=${await agentPid(machine)} --mount -- sh -c '${command}'`)
  return text.split('\n').filter((line) => line !== '')
}

/** The baits that are to be read there. */
export const baitsInside = (machine: Machine): Promise<string[]> =>
  inside(machine, `grep -ls bait ${BAITS.join(' ')} || true`)

/** Those of the directories in which a file can be made there. */
export const writableInside = (machine: Machine, directories: readonly string[]): Promise<string[]> =>
  inside(
    machine,
    `for path in ${directories.join(' ')}; do
       if touch $path/.written 2>/dev/null; then rm $path/.written; echo $path; fi
     done`,
  )

/** Lines of /proc/PID/status, by their names. */
export async function processStatus(machine: Machine): Promise<Record<string, string>> {
  const text = await machine.run(`cat /proc/${await agentPid(machine)}/status`)
  return Object.fromEntries([...text.matchAll(/^(\w+):\t(.*)$/gm)].map(([, name = '', value = '']) => [name, value]))
}
