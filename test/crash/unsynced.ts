/** What of a recorded run (NODE_BOOTSTRAP_EFFECTS) a power cut could have taken although something already rested on it. */
import { dirname } from 'node:path'

/** What lives in memory, and the lock that is void after a boot. */
const isVolatile = (path: string): boolean => path.includes('/run/') || path.includes('agent.lock')

/** Files whose content was not synced when they were renamed, or at the end; entries whose directory was not when a request was sent, or at the end. */
export function unsynced(effects: readonly string[]): string[] {
  const contents = new Set<string>()
  const entries = new Set<string>()
  const found: string[] = []
  for (const effect of effects) {
    const [verb = '', path = '', to = ''] = effect.split(' ')
    if (isVolatile(path)) continue
    switch (verb) {
      // A directory that is made has its mode set at once; one that could not be made has not.
      case 'chmod':
      case 'symlink':
      case 'create':
        entries.add(path)
        break
      case 'fill':
        contents.add(path)
        break
      case 'rename':
        if (contents.delete(path)) found.push(`the content of ${to}`)
        if (entries.delete(path)) entries.add(to)
        break
      case 'sync':
        contents.delete(path)
        for (const entry of entries) if (dirname(entry) === (path || '/')) entries.delete(entry)
        break
      case 'request':
        found.push(...entries)
    }
  }
  return [...new Set([...found, ...contents, ...entries])]
}
