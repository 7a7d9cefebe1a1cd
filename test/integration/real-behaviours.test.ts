import {
  realControlPlaneAvailability,
  realSignerProblem,
  startRealControlPlane,
} from '../harness/real-control-plane.ts'
import { behaviours } from './behaviours.ts'

const availability = await realControlPlaneAvailability()
const reason = await realSignerProblem()

if (reason === undefined)
  describe(`the agent beside a real control plane (${availability.available ? availability.version : ''})`, () => {
    behaviours(startRealControlPlane)
  })
else
  describe(`the agent beside a real control plane (skipped: ${reason})`, () => {
    it.skip('behaves as beside the embedded one')
  })
