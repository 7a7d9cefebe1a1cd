import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { watchFiles } from '../../../src/adapters/file-watch.ts'
import { ConfigurationWatch } from '../../../src/compose/configuration-watch.ts'
import { useTemporaryDirectory } from '../../harness/temporary-directory.ts'

/** Counts calls; each can be waited for. What never comes is for mocha's own limit to tell. */
class Calls {
  count = 0
  readonly #waiters: { count: number; resolve: () => void }[] = []
  readonly call = (): void => {
    this.count += 1
    for (const { count, resolve } of this.#waiters) if (this.count >= count) resolve()
  }

  reach(count: number): Promise<void> {
    if (this.count >= count) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push({ count, resolve }))
  }

  next(): Promise<void> {
    return this.reach(this.count + 1)
  }
}

describe('watchFiles', () => {
  const directory = useTemporaryDirectory()

  async function during(path: string, change: (calls: Calls) => Promise<void>): Promise<void> {
    const calls = new Calls()
    const watch = await watchFiles([path], calls.call)
    try {
      // The watch is established.
      await calls.reach(1)
      const next = calls.next()
      await change(calls)
      await next
    } finally {
      await watch.close()
    }
  }

  it('tells of a file that is written in place', async () => {
    const path = directory.join('join.yaml')
    await writeFile(path, 'one')
    await during(path, () => writeFile(path, 'another'))
  })

  it('tells of a file that appears, and of one that disappears', async () => {
    const path = directory.join('join.yaml')
    await during(path, () => writeFile(path, 'one'))
    await during(path, () => rm(path))
  })

  it('tells of a file that is replaced by a rename, each time', async () => {
    const path = directory.join('join.yaml')
    await writeFile(path, 'one')
    await during(path, async (calls) => {
      for (const text of ['two', 'three']) {
        const next = calls.next()
        await writeFile(directory.join('join.yaml.new'), text)
        await rename(directory.join('join.yaml.new'), path)
        await next
      }
      const again = calls.next()
      await writeFile(path, 'four')
      await again
      calls.call()
    })
  })

  it('tells of a Kubernetes volume whose link ..data is replaced', async () => {
    for (const [version, text] of [
      ['..1', 'one'],
      ['..2', 'two'],
    ] as const) {
      await mkdir(directory.join(version))
      await writeFile(directory.join(version, 'token'), text)
    }
    await symlink('..1', directory.join('..data'))
    await symlink('..data/token', directory.join('token'))
    await during(directory.join('token'), async () => {
      await symlink('..2', directory.join('..data_tmp'))
      await rename(directory.join('..data_tmp'), directory.join('..data'))
    })
  })

  it('tells of a change of the file that a link points to', async () => {
    await mkdir(directory.join('elsewhere'))
    await writeFile(directory.join('elsewhere/token'), 'one')
    await mkdir(directory.join('etc'))
    await symlink('../elsewhere/token', directory.join('etc/token'))
    await during(directory.join('etc/token'), () => writeFile(directory.join('elsewhere/token'), 'two'))
  })

  it('tells of a file in a directory that is a link', async () => {
    await mkdir(directory.join('real'))
    await symlink('real', directory.join('linked'))
    await during(directory.join('linked/token'), () => writeFile(directory.join('real/token'), 'one'))
  })

  /** After each step, `path` is looked at when it holds the step's name: in every other case this waits for mocha's limit. */
  async function follows(path: string, steps: Readonly<Record<string, () => Promise<unknown>>>): Promise<void> {
    let isSeen = (): void => undefined
    const watch = await watchFiles([path], () => {
      isSeen()
    })
    try {
      for (const [content, step] of Object.entries(steps)) {
        const seen = new Promise<void>((resolve) => {
          isSeen = () => {
            if (existsSync(path) && readFileSync(path, 'utf8') === content) resolve()
          }
        })
        await step()
        await seen
      }
    } finally {
      await watch.close()
    }
  }

  it('tells of a file whose directories come with it, and of what then becomes of it', async () => {
    const path = directory.join('etc/secrets/token')
    await follows(path, {
      one: async () => {
        await mkdir(directory.join('etc/secrets'), { recursive: true })
        await writeFile(path, 'one')
      },
      two: () => writeFile(path, 'two'),
    })
  })

  it('tells of a file whose directory is renamed into its place', async () => {
    await mkdir(directory.join('new/secrets'), { recursive: true })
    await writeFile(directory.join('new/secrets/token'), 'one')
    const path = directory.join('etc/secrets/token')
    await follows(path, {
      one: () => rename(directory.join('new'), directory.join('etc')),
      two: () => writeFile(path, 'two'),
    })
  })

  it('tells of a directory that is replaced, by a rename or by hand, and of what then becomes of the file', async () => {
    const path = directory.join('etc/token')
    for (const [name, content] of [
      ['etc', 'zero'],
      ['new', 'one'],
    ] as const) {
      await mkdir(directory.join(name))
      await writeFile(directory.join(name, 'token'), content)
    }
    await follows(path, {
      zero: () => Promise.resolve(),
      one: async () => {
        await rename(directory.join('etc'), directory.join('old'))
        await rename(directory.join('new'), directory.join('etc'))
      },
      two: () => writeFile(path, 'two'),
      three: async () => {
        await rm(directory.join('etc'), { recursive: true })
        await mkdir(directory.join('etc'))
        await writeFile(path, 'three')
      },
      four: () => writeFile(path, 'four'),
    })
  })

  it('tells of a link on the way that is replaced, and of the file that it leads to then', async () => {
    for (const version of ['1', '2']) {
      await mkdir(directory.join('releases', version), { recursive: true })
      await writeFile(directory.join('releases', version, 'token'), version)
    }
    await symlink('releases/1', directory.join('current'))
    await follows(directory.join('current/token'), {
      '2': async () => {
        await symlink('releases/2', directory.join('next'))
        await rename(directory.join('next'), directory.join('current'))
      },
      three: () => writeFile(directory.join('releases/2/token'), 'three'),
    })
  })

  it('tells of changes that never pause', async () => {
    const path = directory.join('join.yaml')
    await during(path, async (calls) => {
      const before = calls.count
      for (let count = 0; calls.count === before; count += 1) {
        await writeFile(path, String(count))
        await turn()
      }
      calls.call()
    })
  })

  it('tells nothing once it is closed', async () => {
    const path = directory.join('join.yaml')
    const calls = new Calls()
    const watch = await watchFiles([path], calls.call)
    await calls.reach(1)
    await writeFile(path, 'one')
    await watch.close()
    const { count } = calls
    // A second watch sees what comes now; the first one must not.
    await during(path, () => writeFile(path, 'two'))
    assert.equal(calls.count, count)
  })
})

describe('ConfigurationWatch', () => {
  const directory = useTemporaryDirectory()

  it('watches the files that a new configuration names', async () => {
    const one = directory.join('one/token')
    const other = directory.join('other/token')
    await mkdir(directory.join('one'))
    await mkdir(directory.join('other'))
    const calls = new Calls()
    const watch = new ConfigurationWatch(calls.call)
    try {
      await watch.follow([one])
      await calls.reach(1)
      await watch.follow([one])
      await watch.follow([one, other])
      await calls.reach(2)
      const next = calls.next()
      await writeFile(other, 'new')
      await next
    } finally {
      await watch.close()
    }
  })
})
