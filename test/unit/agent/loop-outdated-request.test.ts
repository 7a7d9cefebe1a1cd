/** An edit of join.yaml, or another address, under a request that waits for its approval: one open request, whatever is edited. */
import assert from 'node:assert/strict'
import { parseCertificateRequest } from '../../../src/dev-cluster/certificate-request.ts'
import type { StatusBody } from '../../../src/agent/status.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { parseCertificates } from '../../../src/pki/certificate.ts'
import { keyAlgorithmOf } from '../../../src/pki/private-key.ts'
import { statusResponse, type FakeCluster } from './fakes.ts'
import { configurationWith, DAY_MS, HOUR_MS, MINUTE_MS } from './fixtures.ts'
import { pinless, Stage, type StageOptions } from './loop-stage.ts'

const CURRENT = '/var/lib/kubelet/pki/kubelet-client-current.pem'

type Sections = Record<string, unknown>
const joinYaml = (sections: Sections = {}): ReturnType<typeof configurationWith> =>
  configurationWith({ discovery: pinless, ...sections })

const OTHER_KEY = { certificate: { keyAlgorithm: 'ECDSA-P384' } }

type Request = FakeCluster['requests'][number]
const isOpen = ({ conditions }: Request): boolean => conditions.length === 0

const checkOneOpen = ({ cluster }: Stage, of: (request: Request) => boolean = () => true): void => {
  const open = cluster.requests.filter((request) => of(request) && isOpen(request))
  assert.ok(open.length <= 1, `${open.length} requests are open`)
}

/** Takes the first of `steps` as soon as the request waits, the next one when it waits again, and stops after the last. */
async function play(stage: Stage, steps: ((waiting: StatusBody) => void)[], isWaiting = waits): Promise<void> {
  const left = [...steps]
  stage.onReport = (status) => {
    checkOneOpen(stage)
    if (isWaiting(status)) left.shift()?.(status)
  }
  await stage.run()
  assert.equal(left.length, 0, 'not every step was taken')
}

const waits = ({ step, request }: StatusBody): boolean => step === 'approval' && request?.createdAt !== undefined
const isOutdated = (status: StatusBody): boolean => waits(status) && status.request?.outdated !== undefined

const algorithmInForce = ({ files }: Stage): string => {
  const [certificate] = parseCertificates(
    /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----\n/.exec(files.text(CURRENT) ?? '')?.[0] ?? '',
  )
  return keyAlgorithmOf(certificate.x509.publicKey) ?? ''
}

const waiting = (sections: Sections = {}): Stage => {
  const stage = new Stage({ configuration: joinYaml(sections) })
  stage.cluster.verdict = 'leave'
  return stage
}

const nameOf = (stage: Stage, index = 0): string => stage.cluster.requests[index]?.name ?? ''

/** Edited while it waits; then `then`, when the status says that it is outdated. */
async function edited(stage: Stage, sections: Sections, then: (status: StatusBody) => void): Promise<void> {
  let isEdited = false
  let isTold = false
  stage.onReport = (status) => {
    checkOneOpen(stage)
    if (!isEdited && waits(status)) {
      isEdited = true
      stage.loop.reconfigure(joinYaml(sections))
    } else if (!isTold && isOutdated(status)) {
      isTold = true
      then(status)
    }
    if (status.state === 'healthy') stage.stop()
  }
  await stage.run()
  assert.equal(stage.status.state, 'healthy')
}

describe('Loop: a request that waits while join.yaml is edited', () => {
  it('is the only one, and status and log say why it is outdated, and the command that makes room', async () => {
    const stage = waiting()
    let told: StatusBody | undefined
    await edited(stage, OTHER_KEY, (status) => {
      told ??= status
      stage.cluster.settle(nameOf(stage), 'approve')
    })
    const [name, deny] = [nameOf(stage), `kubectl certificate deny ${nameOf(stage)}`]
    const why = 'its key is ECDSA-P256, and join.yaml wants ECDSA-P384'
    assert.deepEqual([told?.request?.outdated, told?.request?.deny], [why, deny])
    assert.equal(told?.request?.approve, `kubectl certificate approve ${name}`)
    assert.equal(told.summary, `waiting for the end of ${name}, for ${why}: ${deny}`)
    const lines = stage.lines.filter(({ fields }) => fields['oddity'] === 'pending-request-outdated')
    assert.deepEqual(
      lines.map(({ fields }) => [fields['request'], fields['why'], fields['hint']]),
      [[name, why, deny]],
    )
  })

  it('is installed where it is approved all the same, and the next renewal is as wanted', async () => {
    const stage = waiting()
    await edited(stage, OTHER_KEY, () => {
      stage.cluster.settle(nameOf(stage), 'approve')
    })
    assert.equal(stage.cluster.posts.length, 1)
    assert.equal(algorithmInForce(stage), 'ECDSA-P256')
    const { clock, files, cluster } = stage
    cluster.verdict = 'approve'
    const later = new Stage({ configuration: joinYaml(OTHER_KEY), clock, files, cluster, maxReports: 20_000 })
    await later.runFor(DAY_MS)
    assert.equal(later.cluster.posts.length, 2)
    assert.equal(algorithmInForce(later), 'ECDSA-P384')
  })

  for (const [how, end] of [
    [
      'denied',
      (stage: Stage) => {
        stage.cluster.settle(nameOf(stage), 'deny')
      },
    ],
    [
      'deleted',
      (stage: Stage) => {
        stage.cluster.delete(nameOf(stage))
      },
    ],
  ] as const)
    it(`makes room when it is ${how}, and what is wanted is asked for at once`, async () => {
      const stage = waiting()
      await edited(stage, OTHER_KEY, () => {
        stage.cluster.verdict = 'approve'
        end(stage)
      })
      assert.equal(stage.cluster.posts.length, 2)
      assert.equal(algorithmInForce(stage), 'ECDSA-P384')
      assert.ok(!stage.lines.some(({ fields }) => fields['code'] === 'csr-denied'))
      assert.ok(!stage.lines.some(({ fields }) => String(fields['hint']).includes('submitted again')))
    })

  it('is as wanted again where the edit is taken back, and costs nothing', async () => {
    const stage = waiting()
    await play(stage, [
      () => {
        stage.loop.reconfigure(joinYaml({ certificate: { duration: '12h' } }))
      },
      () => {
        stage.loop.reconfigure(joinYaml())
      },
      ({ request }) => {
        assert.equal(request?.outdated, undefined)
        stage.stop()
      },
    ])
    assert.equal(stage.cluster.posts.length, 1)
  })

  it('stays the only one, however often join.yaml is edited', async () => {
    const stage = waiting()
    const edits = Array.from({ length: 20 }, (_, hours) => () => {
      stage.loop.reconfigure(joinYaml({ certificate: { duration: `${hours + 1}h` } }))
    })
    await play(stage, [
      ...edits,
      () => {
        stage.stop()
      },
    ])
    assert.equal(stage.cluster.posts.length, 1)
  })

  it('is told anew with each edit, and the command that makes room only while it does', async () => {
    const stage = waiting()
    await play(stage, [
      () => {
        stage.loop.reconfigure(joinYaml(OTHER_KEY))
      },
      () => {
        stage.loop.reconfigure(joinYaml({ certificate: { duration: '12h' } }))
      },
      () => {
        stage.loop.reconfigure(joinYaml(OTHER_KEY))
      },
      () => {
        stage.cluster.verdict = 'approve'
        stage.cluster.delete(nameOf(stage))
        stage.stop()
      },
    ])
    const { clock, files, cluster } = stage
    const again = new Stage({ configuration: joinYaml(OTHER_KEY), clock, files, cluster })
    await again.runFor(HOUR_MS)
    const toldBy = ({ lines }: Stage): unknown[] =>
      lines
        .filter(({ fields }) => fields['oddity'] === 'pending-request-outdated')
        .map(({ fields: { why, hint } }) => [why, hint])
    const otherKey = 'its key is ECDSA-P256, and join.yaml wants ECDSA-P384'
    const otherLifetime = 'it asks for the signer’s own lifetime, and join.yaml for a lifetime of 43200 s'
    const deny = `kubectl certificate deny ${stage.status.request?.name ?? ''}`
    assert.deepEqual(toldBy(stage), [
      [otherKey, deny],
      [otherLifetime, deny],
      [otherKey, deny],
    ])
    assert.deepEqual(toldBy(again), [[otherKey, undefined]])
  })

  it('is found again by an agent that starts with the edited join.yaml, and not filed again where it is gone', async () => {
    for (const isThere of [true, false]) {
      const first = waiting()
      const { clock, files, cluster } = first
      await play(first, [
        () => {
          first.stop()
        },
      ])
      if (!isThere) cluster.delete(nameOf(first))
      const again = new Stage({ configuration: joinYaml(OTHER_KEY), clock, files, cluster })
      await play(again, [
        ({ request }) => {
          assert.equal(request?.outdated !== undefined, isThere)
          again.stop()
        },
      ])
      assert.equal(cluster.posts.length, isThere ? 1 : 2)
    }
  })

  it('for another node is used for nothing where it is approved, and its approval is not asked for', async () => {
    const stage = waiting()
    let told: StatusBody['request']
    await edited(stage, { node: { name: 'worker-2' } }, ({ request }) => {
      told = request
      stage.cluster.verdict = 'approve'
      stage.cluster.settle(nameOf(stage), 'approve')
    })
    assert.equal(told?.outdated, 'it is not for the node worker-2')
    assert.equal(told.approve, undefined)
    assert.match(stage.status.certificate?.subject ?? '', /CN=system:node:worker-2/)
    assert.equal(stage.cluster.posts.length, 2)
  })
})

describe('Loop: a request that the cluster creates after its sender has stopped listening', () => {
  /** The first POST is on its way until it is let go. */
  const slowStage = (): [Stage, letGo: () => Promise<void>] => {
    const stage = waiting()
    const arrival = Promise.withResolvers<undefined>()
    stage.cluster.delay = ({ method }) =>
      method === 'POST' && stage.cluster.posts.length === 1 ? arrival.promise : Promise.resolve()
    const letGo = async (): Promise<void> => {
      arrival.resolve(undefined)
      await new Promise((resolve) => setImmediate(resolve))
    }
    return [stage, letGo]
  }
  const checkFollowed = ({ cluster, status }: Stage): void => {
    assert.equal(cluster.requests.length, 1)
    assert.equal(status.request?.name, cluster.requests[0]?.name)
    assert.match(status.request?.outdated ?? '', /join.yaml wants ECDSA-P384/)
  }

  it('is heard of all the same where join.yaml is edited meanwhile', async () => {
    const [stage, letGo] = slowStage()
    let isEdited = false
    stage.onReport = ({ step }) => {
      checkOneOpen(stage)
      if (step !== 'request' || isEdited) return
      isEdited = true
      setImmediate(() => {
        stage.loop.reconfigure(joinYaml(OTHER_KEY))
        setImmediate(() => void letGo())
      })
    }
    await stage.runFor(HOUR_MS)
    checkFollowed(stage)
  })

  it('is waited for where the agent was killed, and starts with another join.yaml', async () => {
    const [stage, letGo] = slowStage()
    stage.onReport = ({ step }) => {
      if (step !== 'request') return
      setImmediate(() => {
        stage.stop()
      })
    }
    await stage.run()
    const { clock, files, cluster } = stage
    const again = new Stage({ configuration: joinYaml(OTHER_KEY), clock, files, cluster })
    const codes = new Set<string | undefined>()
    again.onReport = (status) => {
      codes.add(status.problem?.code)
      checkOneOpen(again)
    }
    clock.afterSleep = async () => {
      if (cluster.requests.length === 0) await letGo()
    }
    await again.runFor(HOUR_MS)
    assert.ok(codes.has('request-in-doubt'))
    checkFollowed(again)
  })

  it('is not waited for where the API server turned it away', async () => {
    const stage = new Stage({ configuration: joinYaml() })
    stage.cluster.fault = ({ method }) => (method === 'POST' ? statusResponse(403, 'forbidden') : undefined)
    let editedAtMs: number | undefined
    stage.clock.afterSleep = () => {
      if (editedAtMs !== undefined) return
      editedAtMs = stage.clock.monotonicMs()
      stage.cluster.fault = () => undefined
      stage.loop.reconfigure(joinYaml(OTHER_KEY))
    }
    stage.onReport = ({ state }) => {
      if (state === 'healthy') stage.stop()
    }
    await stage.run()
    assert.equal(stage.clock.monotonicMs(), editedAtMs)
    assert.deepEqual(
      stage.lines.flatMap(({ fields }) => fields['code'] ?? []),
      ['forbidden'],
    )
  })

  it('is waited for no longer than a server may take, where nothing comes', async () => {
    const stage = waiting()
    const failure = new BootstrapError('timed-out', 'silence')
    let sentAtMs = 0
    stage.cluster.fault = ({ method, atMs }) => {
      if (method !== 'POST' || sentAtMs > 0) return undefined
      stage.clock.pass(HOUR_MS)
      sentAtMs = atMs + HOUR_MS
      return failure
    }
    let isEdited = false
    stage.clock.afterSleep = () => {
      if (!isEdited) stage.loop.reconfigure(joinYaml(OTHER_KEY))
      isEdited = true
    }
    await stage.runFor(2 * HOUR_MS)
    assert.equal(stage.cluster.requests.length, 1)
    assert.equal(stage.status.request?.outdated, undefined)
    const waitedMs = (stage.cluster.posts.at(-1)?.atMs ?? 0) - sentAtMs
    assert.ok(waitedMs >= 2 * MINUTE_MS && waitedMs < 3 * MINUTE_MS, `${waitedMs} ms`)
  })
})

describe('Loop: an outdated request that is gone, while the agent is started again and again', () => {
  /** One that waited was deleted, while join.yaml was edited and no agent ran. */
  async function gone(): Promise<Stage> {
    const stage = waiting()
    await play(stage, [
      () => {
        stage.stop()
      },
    ])
    stage.cluster.delete(nameOf(stage))
    stage.cluster.verdict = 'approve'
    return stage
  }
  const next = ({ clock, files, cluster }: Stage, options: StageOptions = {}): Stage => {
    clock.afterSleep = () => undefined
    return new Stage({ configuration: joinYaml(OTHER_KEY), clock, files, cluster, ...options })
  }

  interface Tried {
    /** Since the first of them, by the monotonic clock; undefined: none filed the right one. */
    filedAfterMs: number | undefined
    last: Stage
  }

  /** Each runs for half a minute, with `between` two of them. */
  async function tryRepeatedly(first: Stage, starts: number, between: (stage: Stage) => void): Promise<Tried> {
    const [beganMs, posts] = [first.clock.monotonicMs(), first.cluster.posts.length]
    let last = first
    for (let left = starts; left > 0 && first.cluster.posts.length === posts; left -= 1) {
      last = next(last)
      await last.runFor(MINUTE_MS / 2)
      between(last)
    }
    const isFiled = first.cluster.posts.length > posts
    return { filedAfterMs: isFiled ? first.clock.monotonicMs() - beganMs : undefined, last }
  }
  const nothing = (): void => undefined

  it('is waited for once, two minutes in all', async () => {
    const { filedAfterMs = 0 } = await tryRepeatedly(await gone(), 20, nothing)
    assert.ok(filedAfterMs >= 2 * MINUTE_MS && filedAfterMs <= 3 * MINUTE_MS, `${filedAfterMs} ms`)
  })

  it('is waited for by run --once, whose attempts are shorter, until one of them joins', async () => {
    let stage = await gone()
    const once = 'joined'
    const discovery = { ...pinless, timeout: '1m' }
    const configuration = configurationWith({ discovery, ...OTHER_KEY })
    const codes: unknown[] = []
    for (let run = 0; run < 4; run += 1) {
      stage = next(stage, { once, configuration })
      codes.push(
        await stage.run().then(
          () => 'joined',
          (thrown: unknown) => (thrown as BootstrapError).code,
        ),
      )
      stage.clock.pass(MINUTE_MS)
    }
    assert.deepEqual(codes, ['request-in-doubt', 'request-in-doubt', 'joined', 'joined'])
  })

  for (const stepMs of [DAY_MS, -DAY_MS])
    it(`is waited for as long where the clock is stepped by ${stepMs / HOUR_MS} h`, async () => {
      const first = await gone()
      let isStepped = false
      const { filedAfterMs = 0 } = await tryRepeatedly(first, 20, ({ clock }) => {
        if (!isStepped) clock.step(stepMs)
        isStepped = true
      })
      assert.ok(filedAfterMs >= 2 * MINUTE_MS && filedAfterMs <= 3 * MINUTE_MS, `${filedAfterMs} ms`)
    })

  it('is waited for anew after a boot, whose clock says nothing of the one before', async () => {
    const { filedAfterMs, last } = await tryRepeatedly(await gone(), 20, ({ clock }) => {
      clock.reboot()
    })
    assert.equal(filedAfterMs, undefined)
    assert.equal(last.status.problem?.code, 'request-in-doubt')
  })

  it('is waited for anew where it was wanted and sent again meanwhile, and nobody answered', async () => {
    const { last } = await tryRepeatedly(await gone(), 2, nothing)
    const wanted = next(last, { configuration: joinYaml() })
    wanted.cluster.fault = ({ method }) =>
      method === 'POST' ? new BootstrapError('timed-out', 'nobody answers') : undefined
    await wanted.runFor(5 * MINUTE_MS)
    wanted.cluster.fault = () => undefined
    const { filedAfterMs = 0 } = await tryRepeatedly(wanted, 20, nothing)
    assert.ok(filedAfterMs >= 2 * MINUTE_MS && filedAfterMs <= 4 * MINUTE_MS, `${filedAfterMs} ms`)
  })
})

describe('Loop: a request for a serving certificate that waits while the addresses change', () => {
  const isServing = ({ spec }: Request): boolean => spec['signerName'] === 'kubernetes.io/kubelet-serving'
  const servingRequests = ({ cluster }: Stage): Request[] => cluster.requests.filter(isServing)
  const addressesOf = ({ spec }: Request): readonly string[] =>
    parseCertificateRequest(Buffer.from(String(spec['request']), 'base64')).ipAddresses

  for (const verdict of ['deny', 'approve'] as const)
    it(`is the only one, and after its ${verdict} the new addresses are asked for`, async () => {
      const stage = new Stage({ configuration: joinYaml({ certificate: { serving: {} } }) })
      let told: StatusBody | undefined
      stage.onReport = (status) => {
        checkOneOpen(stage, isServing)
        const { serving } = status
        if (serving?.request?.createdAt !== undefined) stage.addresses = ['10.0.0.22']
        if (serving?.request?.outdated === undefined || told !== undefined) return
        told = status
        stage.cluster.servingVerdict = 'approve'
        stage.cluster.settle(serving.request.name, verdict)
      }
      await stage.runFor(HOUR_MS)
      const [first, second, ...more] = servingRequests(stage)
      assert.equal(more.length, 0)
      assert.ok(first !== undefined && second !== undefined)
      assert.deepEqual([addressesOf(first), addressesOf(second)], [['10.0.0.21'], ['10.0.0.22']])
      assert.deepEqual(stage.status.serving?.certificate?.names, ['worker-1', '10.0.0.22'])
      assert.equal(told?.problem?.code, 'serving-not-approved')
      assert.match(told.problem.message, /is outdated and still open: it is not for the names and addresses/)
      assert.match(told.problem.hint, new RegExp(`kubectl certificate deny ${first.name}$`))
      assert.equal(told.serving?.request?.approve, undefined)
    })
})
