import assert from 'node:assert/strict'
import { NOTHING_SEEN } from '../../../src/agent/beginning.ts'
import type { Observed } from '../../../src/agent/observed.ts'
import { namingSupply } from '../../../src/agent/supply.ts'
import type { ErrorCode } from '../../../src/lib/error-codes.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { configurationWith, NOW_MS, tokenDiscovery } from './fixtures.ts'

const lost: Observed = { ...NOTHING_SEEN, hasJoined: true }
const file = { file: { path: '/srv/cluster-info.yaml' } }
const https = { https: { url: 'https://config.test/cluster-info.yaml?secret=hunter2' } }
const MADE = 'make a bootstrap token (kubeadm token create) and'
const AT_ONCE = 'it is used as soon as it is there'

const supply = (sections: object, code: ErrorCode = 'unauthorized', seen = lost): BootstrapError =>
  namingSupply(new BootstrapError(code, 'a test said so'), seen, configurationWith({ ...sections }), NOW_MS)

describe('what a node that has lost its certificate asks for', () => {
  const rows: readonly [sentence: string, sections: object, hint: string][] = [
    [
      'is a token, in join.yaml where it stands there',
      { discovery: tokenDiscovery() },
      `${MADE} write it to join.yaml as discovery.token.token; ${AT_ONCE}`,
    ],
    [
      'is a token, in its own file',
      { discovery: tokenDiscovery({ token: undefined, tokenFile: '/srv/token' }) },
      `${MADE} write it to /srv/token; ${AT_ONCE}`,
    ],
    [
      'is a token, in the place of the one for the request',
      { discovery: file, bootstrap: { tokenCredential: 'token' } },
      `${MADE} give it to the unit as the credential token, and restart that`,
    ],
    [
      'is a kubeconfig where one was in a file, or a token',
      { discovery: file },
      `put a kubeconfig whose user has a new credential into /srv/cluster-info.yaml; ${AT_ONCE}. Or ${MADE} write it to join.yaml as bootstrap.token; ${AT_ONCE}`,
    ],
    [
      'is a kubeconfig of the server that handed one out, named without its secret, or a token',
      { discovery: https },
      `have https://config.test/cluster-info.yaml hand out a kubeconfig whose user has a new credential; it is fetched by itself. Or ${MADE} write it to join.yaml as bootstrap.token; ${AT_ONCE}`,
    ],
  ]
  for (const [sentence, sections, hint] of rows)
    it(sentence, () => {
      const error = supply(sections)
      assert.equal(error.code, 'rejoin-needs-credential')
      assert.equal(error.hint, hint)
    })

  it('is asked for also where the kubeconfig that had it is gone', () => {
    assert.equal(supply({ discovery: file }, 'kubeconfig-missing').code, 'rejoin-needs-credential')
    assert.equal(supply({ discovery: https }, 'kubeconfig-unavailable').code, 'rejoin-needs-credential')
  })

  it('is not asked of a machine that never joined, nor for what no credential mends', () => {
    assert.equal(supply({ discovery: file }, 'kubeconfig-missing', NOTHING_SEEN).code, 'kubeconfig-missing')
    assert.equal(supply({ discovery: file }, 'unreachable').code, 'unreachable')
  })
})
