import assert from 'node:assert/strict'
import fc from 'fast-check'
import { addressOctets, addressText, coversNames, subjectNames } from '../../../src/pki/subject-names.ts'

describe('the names of a server’s certificate', () => {
  it('are in one order, each once, whatever order and form they came in', () => {
    const expected = {
      dnsNames: ['a.example', 'b'],
      ipAddresses: ['9.0.0.1', '10.0.0.2', 'fd00::1', 'fd00::1:0:0:1'],
    }
    const addresses = ['fd00:0:0:0::0001', '10.0.0.2', 'fd00::1', 'FD00::1:0:0:1', '9.0.0.1']
    assert.deepEqual(subjectNames(['b', 'a.example', 'b'], addresses), expected)
    assert.deepEqual(subjectNames(['a.example', 'b'], addresses.toReversed()), expected)
  })

  it('come back from their octets, for any address', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const octets = addressOctets(text)
        assert.ok(octets !== undefined)
        assert.deepEqual(addressOctets(addressText(octets) ?? ''), octets)
      }),
    )
  })

  it('have no address with a zone, of a name, or of another length', () => {
    for (const text of ['fe80::1%eth0', 'worker', '10.0.0', '']) assert.equal(addressOctets(text), undefined)
    assert.equal(addressText(Uint8Array.of(1, 2, 3)), undefined)
  })

  it('cover what is wanted when they have more than that, and not when they lack one', () => {
    const has = subjectNames(['a', 'b'], ['10.0.0.1', '10.0.0.2'])
    assert.ok(coversNames(has, subjectNames(['a'], ['10.0.0.2'])))
    assert.ok(!coversNames(has, subjectNames(['c'], [])))
    assert.ok(!coversNames(has, subjectNames([], ['10.0.0.3'])))
  })
})
