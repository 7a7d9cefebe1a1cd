import assert from 'node:assert/strict'
import fc from 'fast-check'
import { parse } from 'yaml'
import { isOwnKubeconfig, renderKubeletKubeconfig } from '../../../src/kube/kubelet-kubeconfig.ts'

describe('the kubelet’s kubeconfig', () => {
  const files = {
    server: 'https://10.0.0.1:6443/',
    certificateAuthority: '/etc/kubernetes/pki/ca.crt',
    clientCertificate: '/var/lib/kubelet/pki/kubelet-client-current.pem',
    clientKey: '/var/lib/kubelet/pki/kubelet-client-current.pem',
  }
  const read = (text: string): Record<string, unknown> => parse(text) as Record<string, unknown>

  it('names the files, the server and one context, and embeds nothing', () => {
    const text = renderKubeletKubeconfig(files)
    assert.deepEqual(read(text), {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'default-cluster',
          cluster: { server: files.server, 'certificate-authority': files.certificateAuthority },
        },
      ],
      users: [
        {
          name: 'default-auth',
          user: { 'client-certificate': files.clientCertificate, 'client-key': files.clientKey },
        },
      ],
      contexts: [
        {
          name: 'default-context',
          context: { cluster: 'default-cluster', namespace: 'default', user: 'default-auth' },
        },
      ],
      'current-context': 'default-context',
    })
    assert.doesNotMatch(text, /-data/)
  })

  it('carries any path and server through YAML unchanged', () => {
    const path = fc.string({
      unit: fc.oneof(
        fc.constantFrom(...Array.from('"\'\\: #{}[]&*!|>%@`\n\t-\u2028')),
        fc.string({ minLength: 1, maxLength: 1, unit: 'grapheme' }),
      ),
    })
    fc.assert(
      fc.property(path, path, path, (server, certificateAuthority, clientCertificate) => {
        const config = read(
          renderKubeletKubeconfig({ server, certificateAuthority, clientCertificate, clientKey: '/k' }),
        )
        assert.deepEqual(config['clusters'], [
          { name: 'default-cluster', cluster: { server, 'certificate-authority': certificateAuthority } },
        ])
        assert.deepEqual(config['users'], [
          { name: 'default-auth', user: { 'client-certificate': clientCertificate, 'client-key': '/k' } },
        ])
      }),
    )
  })

  it('is known by its first line', () => {
    assert(isOwnKubeconfig(renderKubeletKubeconfig(files)))
    assert(!isOwnKubeconfig(`\n${renderKubeletKubeconfig(files)}`))
    assert(!isOwnKubeconfig('apiVersion: v1\nkind: Config\n'))
  })
})
