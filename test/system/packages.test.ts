import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { buildPackagesElsewhere, builtPackages, IN_SECONDS, packagesIn } from '../harness/packages.ts'
import { inUnbootedRoot } from '../harness/unbooted-root.ts'
import { describeSystem, found } from './scene.ts'

const root = (): string => ('path' in found ? found.path : '')

const ENABLED = 'etc/systemd/system/multi-user.target.wants'
const LEAVE_AN_IDENTITY = `
  mkdir -p $ROOT/var/lib/node-bootstrap $ROOT/var/lib/kubelet/pki $ROOT/etc/kubernetes
  touch $ROOT/var/lib/node-bootstrap/cluster.json $ROOT/var/lib/kubelet/pki/kubelet-client-current.pem $ROOT/etc/kubernetes/kubelet.conf
  echo edited >$ROOT/etc/node-bootstrap/join.yaml`
const LOOK = `
  cd $ROOT
  for path in ${ENABLED}/node-bootstrap.service ${ENABLED}/node-bootstrap-joined.path usr/lib/node-bootstrap \\
    etc/node-bootstrap/join.yaml var/lib/node-bootstrap/cluster.json var/lib/kubelet/pki/kubelet-client-current.pem; do
    ! [ -e $path ] && ! [ -L $path ] || echo "there: $path"
  done`

describeSystem('An image that is made with the packages, of which nothing runs,', () => {
  it('has the units of the .deb enabled, and loses the agent’s own state alone by a purge', async () => {
    const { deb } = await builtPackages()
    const script = `
      cp "$1" $ROOT/tmp/package.deb
      chroot $ROOT dpkg --install /tmp/package.deb >/dev/null
      echo installed; (${LOOK})
      ${LEAVE_AN_IDENTITY}
      chroot $ROOT dpkg --remove node-bootstrap >/dev/null
      echo removed; (${LOOK})
      chroot $ROOT dpkg --purge node-bootstrap | grep 'is kept'
      echo purged; (${LOOK})`
    assert.equal(
      await inUnbootedRoot(root(), script, deb),
      `installed
there: ${ENABLED}/node-bootstrap.service
there: ${ENABLED}/node-bootstrap-joined.path
there: usr/lib/node-bootstrap
there: etc/node-bootstrap/join.yaml
removed
there: ${ENABLED}/node-bootstrap.service
there: ${ENABLED}/node-bootstrap-joined.path
there: etc/node-bootstrap/join.yaml
there: var/lib/node-bootstrap/cluster.json
there: var/lib/kubelet/pki/kubelet-client-current.pem
node-bootstrap: the kubelet's identity is kept; when this machine is to leave its cluster:
purged
there: var/lib/kubelet/pki/kubelet-client-current.pem
`,
    )
  })

  it('has the units of the .rpm enabled and its files verified, and keeps all state when it is erased', async () => {
    const { rpm } = await builtPackages()
    // Its dependencies are in dpkg's database, which rpm does not read.
    const script = `
      rpm --root $ROOT --nodeps --install "$1" >&2
      rpm --root $ROOT --nodeps --verify node-bootstrap
      echo installed; (${LOOK})
      ${LEAVE_AN_IDENTITY}
      rpm --root $ROOT --nodeps --verify node-bootstrap | sed 's/^[^ ]* */changed: /'
      rpm --root $ROOT --erase node-bootstrap | grep 'is kept'
      echo erased; (${LOOK})
      ls $ROOT/etc/node-bootstrap`
    assert.equal(
      await inUnbootedRoot(root(), script, rpm),
      `installed
there: ${ENABLED}/node-bootstrap.service
there: ${ENABLED}/node-bootstrap-joined.path
there: usr/lib/node-bootstrap
there: etc/node-bootstrap/join.yaml
changed: c /etc/node-bootstrap/join.yaml
node-bootstrap: /var/lib/node-bootstrap is kept, for another installation; it holds nothing else
node-bootstrap: the kubelet's identity is kept; when this machine is to leave its cluster:
erased
there: var/lib/node-bootstrap/cluster.json
there: var/lib/kubelet/pki/kubelet-client-current.pem
join.yaml.rpmsave
`,
    )
  })
})

describeSystem('The packages', () => {
  it('are the same to the byte, built elsewhere, later, with another umask, time zone, locale and settings of Node.js', async () => {
    const one = await builtPackages()
    const other = packagesIn(await buildPackagesElsewhere(IN_SECONDS))
    for (const format of ['deb', 'rpm'] as const)
      assert.ok((await readFile(one[format])).equals(await readFile(other[format])), `the .${format} differs`)
  })
})
