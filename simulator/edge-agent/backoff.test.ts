import assert from 'node:assert/strict'
import { standardBackoff, statusAfterExit, waitMs } from './backoff.ts'
import type { RestartPolicy } from './deployment.ts'

describe('restarts', () => {
  it('waits 10 seconds, then twice as long each time, and 5 minutes at most', () => {
    const waits = [0, 1, 2, 3, 4, 5, 30].map((count) => waitMs(standardBackoff, count) / 1000)
    assert.deepEqual(waits, [10, 20, 40, 80, 160, 300, 300])
  })

  // RestartPolicyManager.cs
  const rows: readonly [RestartPolicy, exitCode: number, restarts: number, status: string][] = [
    ['always', 0, 0, 'backoff'],
    ['always', 1, 19, 'backoff'],
    ['always', 1, 20, 'failed'],
    ['on-failure', 0, 0, 'stopped'],
    ['on-failure', 1, 0, 'backoff'],
    ['on-unhealthy', 137, 0, 'backoff'],
    ['never', 0, 0, 'stopped'],
    ['never', 1, 0, 'failed']
  ]
  for (const [policy, exitCode, restarts, status] of rows)
    it(`${policy}, exit code ${exitCode}, ${restarts} restarts → ${status}`, () =>
      assert.equal(statusAfterExit(policy, exitCode, restarts, standardBackoff), status))
})
