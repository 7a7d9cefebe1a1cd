import assert from 'node:assert/strict'
import { proxyFor } from '../../../src/adapters/proxy.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'

const PROXY = 'http://proxy.test:3128'
const through = (url: string, NO_PROXY?: string): boolean =>
  proxyFor(new URL(url), { HTTPS_PROXY: PROXY, NO_PROXY }) !== undefined

describe('proxyFor', () => {
  it('is nothing without HTTPS_PROXY', () => {
    assert.equal(proxyFor(new URL('https://a.test'), {}), undefined)
    assert.equal(proxyFor(new URL('https://a.test'), { HTTPS_PROXY: '', HTTP_PROXY: PROXY }), undefined)
  })

  it('is taken from either spelling, the upper case first', () => {
    const hostOf = (environment: Record<string, string>): string | undefined =>
      proxyFor(new URL('https://a.test'), environment)?.host
    assert.equal(hostOf({ https_proxy: PROXY }), 'proxy.test:3128')
    assert.equal(hostOf({ https_proxy: 'http://other', HTTPS_PROXY: PROXY }), 'proxy.test:3128')
    assert.equal(hostOf({ HTTPS_PROXY: 'proxy.test:3128' }), 'proxy.test:3128')
    assert.equal(proxyFor(new URL('https://a.test'), { HTTPS_PROXY: PROXY, no_proxy: 'a.test' }), undefined)
  })

  // As golang.org/x/net/http/httpproxy answers (its TestUseProxy and the rules in its documentation).
  const rows: readonly [url: string, noProxy: string, isProxied: boolean][] = [
    ['https://localhost:6443', '', false],
    ['https://127.0.0.1:6443', '', false],
    ['https://127.8.9.10', '', false],
    ['https://[::1]:6443', '', false],
    ['https://10.0.0.10:6443', '', true],
    ['https://a.test', '*', false],
    ['https://a.test', 'b.test', true],
    ['https://a.test', 'a.test', false],
    ['https://A.test', 'a.TEST', false],
    ['https://sub.a.test', 'a.test', false],
    ['https://xa.test', 'a.test', true],
    ['https://a.test', '.a.test', true],
    ['https://sub.a.test', '.a.test', false],
    ['https://sub.a.test', '*.a.test', false],
    ['https://a.test:6443', 'a.test:6443', false],
    ['https://a.test:6443', 'a.test:443', true],
    ['https://a.test', 'a.test:443', false],
    ['https://10.0.0.10:6443', '10.0.0.10', false],
    ['https://10.0.0.10:6443', '10.0.0.10:6443', false],
    ['https://10.0.0.10:6443', '10.0.0.10:80', true],
    ['https://10.0.0.10:6443', '10.0.0.0/24', false],
    ['https://10.0.1.10:6443', '10.0.0.0/24', true],
    ['https://10.0.0.10:6443', 'fd00::/8', true],
    ['https://[fd00::10]:6443', 'fd00::/8', false],
    ['https://[fd00::10]:6443', 'fd00:0:0:0:0:0:0:10', false],
    ['https://[fd00::10]:6443', '[fd00::10]:6443', false],
    ['https://[fd00::10]:6443', '[fd00::10]:443', true],
    ['https://[fd00::11]:6443', 'fd00::10', true],
    ['https://a.test', ' b.test , a.test ', false],
    ['https://a.test', ',,', true],
    ['https://10.0.0.10', '10.0.0.0/33', true],
    ['https://10.0.0.10', '10.0.0.0/x', true],
    ['https://10.0.0.10', '10.0.0.0/8/8', true],
    ['https://a.test', '10.0.0.0/8', true],
  ]
  for (const [url, noProxy, isProxied] of rows)
    it(`asks ${url} ${isProxied ? 'through the proxy' : 'directly'} with NO_PROXY=${noProxy}`, () => {
      assert.equal(through(url, noProxy), isProxied)
    })

  it('passes over a spelling that is empty, as Go does', () => {
    const environment = { HTTPS_PROXY: '', https_proxy: PROXY, NO_PROXY: '', no_proxy: 'b.test' }
    assert.equal(proxyFor(new URL('https://a.test'), environment)?.host, 'proxy.test:3128')
    assert.equal(proxyFor(new URL('https://b.test'), environment), undefined)
  })

  const unusable: readonly [what: string, address: string][] = [
    ['socks', 'socks5://u:hunter2@p:1080'],
    ['no host', 'http://'],
    ['no port', 'http://u:hunter2@:x'],
    ['ftp', 'ftp://u:hunter2@p'],
    ['a % that is no escape in the password', 'http://u:hunter2%@p:3128'],
    ['a % that is no escape in the user', 'http://u%zz:hunter2@p:3128'],
    ['an escape that is no UTF-8', 'http://u:hunter2%ff@p:3128'],
  ]
  for (const [what, address] of unusable)
    it(`refuses a proxy with ${what} by the name of its variable, and keeps its password to itself`, () => {
      for (const name of ['HTTPS_PROXY', 'https_proxy'])
        assert.throws(
          () => proxyFor(new URL('https://a.test'), { [name]: address }),
          (thrown) =>
            thrown instanceof BootstrapError &&
            thrown.code === 'proxy-invalid' &&
            thrown.message.startsWith(`${name} `) &&
            !`${thrown.message} ${thrown.hint}`.includes('hunter2'),
        )
    })

  it('takes a password with escapes', () => {
    assert.equal(proxyFor(new URL('https://a.test'), { HTTPS_PROXY: 'http://u:50%25@p:3128' })?.password, '50%25')
  })
})

describe('an entry of NO_PROXY that names nothing', () => {
  for (const [entry, url] of [
    ['example.com/8', 'https://10.0.0.10/'],
    [':443', 'https://api.example.com./'],
    [',', 'https://api.example.com./'],
  ] as const)
    it(`${entry} exempts nobody`, () => {
      assert.equal(proxyFor(new URL(url), { HTTPS_PROXY: 'proxy:3128', NO_PROXY: entry })?.host, 'proxy:3128')
    })
})
