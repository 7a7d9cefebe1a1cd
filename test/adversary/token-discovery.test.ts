import { startEmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { realControlPlaneAvailability, startRealControlPlane } from '../harness/real-control-plane.ts'
import { tokenAdversaries } from './token-discovery.ts'

describe('discovery by token of the embedded control plane, against', () => {
  tokenAdversaries(startEmbeddedControlPlane, 'whole')
})

const availability = await realControlPlaneAvailability()
if (availability.available && availability.hasControllerManager)
  describe(`discovery by token of a real control plane (${availability.version}), against`, function () {
    this.timeout(180_000)
    tokenAdversaries(startRealControlPlane, 'main')
  })
else
  describe('discovery by token of a real control plane (skipped: there is none here), against', () => {
    it.skip('a man in the middle')
  })
