/** The long form of the soak: the real signer's ten-minute certificates, renewed when the program itself finds them due. */
import { parseArgs } from 'node:util'
import { startRealControlPlane } from '../harness/real-control-plane.ts'
import { temporaryDirectory } from '../harness/temporary-directory.ts'
import { LIFETIME_MS, renewWhileAsked } from './renewals.ts'

const { values } = parseArgs({ options: { renewals: { type: 'string', default: '3' } } })
const renewals = Number(values.renewals)
if (!Number.isInteger(renewals) || renewals < 1) throw new Error(`--renewals ${values.renewals}: a number from 1 on`)

await using directory = await temporaryDirectory()
const controlPlane = await startRealControlPlane({ certificateDurationMs: LIFETIME_MS })
try {
  console.log(`kube-apiserver ${controlPlane.version}; ${renewals} renewals; ten requests a second`)
  const { asked, failed, failures, answered } = await renewWhileAsked({
    controlPlane,
    directory: directory.path,
    renewals,
    deadlineMs: LIFETIME_MS,
    onCertificate: ({ serialNumber, validFromDate, validToDate }) => {
      const lifetimeS = (validToDate.getTime() - validFromDate.getTime()) / 1000
      const nowMs = Date.now()
      const [age, left] = [validFromDate.getTime(), validToDate.getTime()].map((ms) => Math.round((nowMs - ms) / 1000))
      console.log(
        `${new Date(nowMs).toISOString()} ${serialNumber} in force: a lifetime of ${lifetimeS} s, ${age} s after notBefore, ${-(left ?? 0)} s before notAfter`,
      )
    },
  })
  for (const failure of failures) console.log(`failed: ${failure}`)
  for (const [serialNumber, count] of answered) console.log(`${serialNumber}: ${count} good answers`)
  console.log(`${renewals} renewals, ${asked} requests, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
} finally {
  await controlPlane.stop()
}
