import { startEmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { behaviours } from './behaviours.ts'

describe('the agent beside the embedded control plane', () => {
  behaviours(startEmbeddedControlPlane)
})
