import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { CertificateAuthority } from '../simulator/certificates.ts'
import { startEdgeHub } from '../simulator/edge-hub/edge-hub.ts'
import { TwinStore } from '../simulator/twins.ts'
import type { Finding } from './doctor/doctor.ts'
import { LineLog } from './log/log.ts'
import { untilUsable } from './waiting-room.ts'

const key = TwinStore.key('edge1', 'causeway')

describe('a module that cannot work yet', () => {
  it('tells its twin why, and lets go of it once it can', async () => {
    const authority = await CertificateAuthority.create()
    const twins = new TwinStore()
    twins.create(key)
    const hub = await startEdgeHub({ deviceId: 'edge1', hubHostName: 'hub1.azure-devices.net', authority, twins })
    const stopping = new AbortController()
    let obstacle: string | undefined = 'user 1:1 may not write: on the device run: sudo chown'
    try {
      const waited = untilUsable({
        environment: {
          source: { kind: 'twin', deviceId: 'edge1' },
          // Below a file: nobody may make it, root neither.
          dataFolder: join(import.meta.filename, 'causeway'),
          listen: { host: '127.0.0.1', port: 0 }
        },
        variables: hub.moduleEnvironment('causeway'),
        log: new LineLog(() => undefined),
        signal: stopping.signal,
        obstacle: () => Promise.resolve(obstacle),
        everyMs: 20
      })
      await once(twins, 'reported')
      const { connectionState, statusDetails } = twins.get(key)?.reported.properties ?? {}
      assert.equal(connectionState, 'Unhealthy')
      const [{ code, description }] = statusDetails as [{ code: string; description: string }]
      assert.deepEqual([code, description], ['DiskError', obstacle])
      const doctor = await hub.invokeMethod('causeway', 'doctor', null, { connectTimeoutSeconds: 5 })
      assert.equal(doctor.status, 200)
      const { findings } = doctor.payload as { findings: Finding[] }
      const found = (check: string): Finding => findings.find((each) => each.check === check) ?? assert.fail()
      assert.deepEqual([found('volume').outcome, found('disk').outcome], ['failed', 'ok'])
      assert.match(found('credentials').message, /no parent is set/)
      assert.match(found('settings').message, /causeway configure/)
      const logs = await hub.invokeMethod('causeway', 'logs', { lines: 10 }, { connectTimeoutSeconds: 5 })
      assert.match((logs.payload as { lines: string[] }).lines.join('\n'), /serving nothing but its health/)
      // What comes from the twin meanwhile is nothing to serve by, and tells whom to ask.
      twins.patchDesired(key, {
        schemaVersion: '1.0',
        parent: { endpoint: '127.0.0.1:1', protocol: 'http', tokenName: 'sync-token', password: 'seven-words' }
      })
      let said = ''
      while (!said.includes('they can be used'))
        said = JSON.stringify(
          (await hub.invokeMethod('causeway', 'doctor', null, { connectTimeoutSeconds: 5 })).payload
        )
      assert.match(said, /"check":"parent","outcome":"failed","message":"[^"]*127\.0\.0\.1:1/)
      assert.doesNotMatch(said, /seven-words/)
      obstacle = undefined
      await waited
    } finally {
      stopping.abort()
      await hub.close()
    }
  })

  it('is not kept where nothing is in the way', async () => {
    await untilUsable({
      environment: {
        source: { kind: 'file', path: '/nowhere' },
        dataFolder: '/nowhere',
        listen: { host: '127.0.0.1', port: 1 }
      },
      variables: {},
      log: new LineLog(() => undefined),
      signal: new AbortController().signal,
      obstacle: () => Promise.resolve(undefined)
    })
  })
})
