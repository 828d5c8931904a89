import assert from 'node:assert/strict'
import tls from 'node:tls'
import { readFile } from 'node:fs/promises'
import type { CloudFixture } from '../../simulator/cloud-fixture.ts'
import { ArmFixture } from '../../simulator/arm/arm-fixture.ts'
import { registryProof } from './proof.ts'

describe('the proof of a password', () => {
  const trusted = tls.getCACertificates('default')
  let arm: ArmFixture
  before(async () => {
    arm = await ArmFixture.start()
    tls.setDefaultCACertificates([...trusted, await readFile(arm.base.caFile, 'utf8')])
  })
  after(async () => {
    tls.setDefaultCACertificates(trusted)
    await arm.close()
  })
  const fixture = (): CloudFixture => arm.base
  const proofOf = (host: string): ReturnType<typeof registryProof> =>
    registryProof(host, { env: fixture().environment, signal: new AbortController().signal })

  it('is a login at the cloud registry, which takes its time to know a new password', async () => {
    const tokenId = await arm.makeToken('plant-client')
    arm.cloud.arm.passwordReplication = 60
    const { passwords } = await arm.ok('POST', `${tokenId.replace(/\/tokens\/.*$/, '')}/generateCredentials`, {
      tokenId,
      name: 'password1'
    })
    const value = String(passwords[0].value)
    const proof = proofOf('contoso.azurecr.io')
    assert.equal(await proof('plant-client', value), false, 'not yet')
    arm.clock += 61_000
    assert.equal(await proof('plant-client', value), true)
    assert.equal(await proof('plant-client', `${value}x`), false)
    arm.cloud.registry('contoso').setTokenStatus('plant-client', 'disabled')
    assert.equal(await proof('plant-client', value), false)
  })

  it('tells a registry that cannot be reached, without the password', async () => {
    await assert.rejects(
      proofOf('nowhere.azurecr.io')('plant-client', 'a-secret-value'),
      (error: Error) =>
        'code' in error && error.code === 'AZURE_UNREACHABLE' && !JSON.stringify(error).includes('a-secret-value')
    )
  })
})
