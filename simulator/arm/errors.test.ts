import assert from 'node:assert/strict'
import type { Answer } from '../cloud-fixture.ts'
import { ArmFixture, connected, idOf, root } from './arm-fixture.ts'

describe('errors of the pretend Resource Manager', () => {
  let arm: ArmFixture

  beforeEach(async () => {
    arm = await ArmFixture.start()
  })
  afterEach(() => arm.close())

  describe('refusals of its own (none was ever recorded)', () => {
    const properties = (more: object): object => ({ properties: more })
    const rows: readonly (readonly [string, string, (token: string) => [string, string, unknown]])[] = [
      ['a short name', 'InvalidResourceName', () => ['PUT', idOf('scopeMaps', 'abcd'), properties({ actions: [] })]],
      [
        'a name with a dash',
        'InvalidResourceName',
        (token) => ['PUT', idOf('connectedRegistries', 'site-1'), connected(token)]
      ],
      [
        'an unknown action',
        'InvalidScopeMapAction',
        () => ['PUT', idOf('scopeMaps', 'map-1'), properties({ actions: ['repositories/a/delete'] })]
      ],
      [
        'a star in the middle',
        'InvalidScopeMapAction',
        () => ['PUT', idOf('scopeMaps', 'map-1'), properties({ actions: ['repositories/a/*/b/content/read'] })]
      ],
      [
        '501 actions',
        'TooManyScopeMapActions',
        () => [
          'PUT',
          idOf('scopeMaps', 'map-1'),
          properties({ actions: Array.from({ length: 501 }, (_, n) => `repositories/r${n}/content/read`) })
        ]
      ],
      [
        'an unknown scope map',
        'ScopeMapNotFound',
        () => ['PUT', idOf('tokens', 'token-1'), properties({ scopeMapId: idOf('scopeMaps', 'nothing') })]
      ],
      [
        'a scope map of another registry',
        'ScopeMapNotFound',
        () => [
          'PUT',
          idOf('tokens', 'token-1'),
          properties({ scopeMapId: idOf('scopeMaps', 'root1').replace('Contoso', 'plain') })
        ]
      ],
      ['a scope map in use', 'ScopeMapInUse', () => ['DELETE', idOf('scopeMaps', 'root1'), undefined]],
      [
        'credentials of an unknown token',
        'TokenNotFound',
        () => ['POST', `${root}/generateCredentials`, { tokenId: idOf('tokens', 'nothing') }]
      ],
      [
        'a third password',
        'InvalidProperty',
        (tokenId) => ['POST', `${root}/generateCredentials`, { tokenId, name: 'password3' }]
      ],
      [
        'an unknown sync token',
        'TokenNotFound',
        () => ['PUT', idOf('connectedRegistries', 'root1'), connected(idOf('tokens', 'nothing'))]
      ],
      [
        'an unknown client token',
        'TokenNotFound',
        (token) => [
          'PUT',
          idOf('connectedRegistries', 'root1'),
          connected(token, { clientTokenIds: [idOf('tokens', 'nothing')] })
        ]
      ],
      [
        'an unknown parent',
        'ParentNotFound',
        (token) => [
          'PUT',
          idOf('connectedRegistries', 'root1'),
          properties({
            mode: 'ReadOnly',
            parent: {
              id: idOf('connectedRegistries', 'nothing'),
              syncProperties: { tokenId: token, messageTtl: 'P2D' }
            }
          })
        ]
      ],
      [
        'an unknown mode',
        'InvalidProperty',
        (token) => ['PUT', idOf('connectedRegistries', 'root1'), connected(token, { mode: 'sideways' })]
      ],
      [
        'no message TTL',
        'InvalidProperty',
        (token) => ['PUT', idOf('connectedRegistries', 'root1'), connected(token, {}, { messageTtl: undefined })]
      ],
      [
        'a window of minutes',
        'InvalidProperty',
        (token) => ['PUT', idOf('connectedRegistries', 'root1'), connected(token, {}, { syncWindow: 'PT30M' })]
      ],
      [
        'a broken schedule',
        'InvalidProperty',
        (token) => ['PUT', idOf('connectedRegistries', 'root1'), connected(token, {}, { schedule: 'noon' })]
      ],
      [
        'a broken notification',
        'InvalidProperty',
        (token) => ['PUT', idOf('connectedRegistries', 'root1'), connected(token, { notificationsList: ['x'] })]
      ],
      [
        'a source that is not there',
        'ImportSourceNotFound',
        () => [
          'POST',
          `${root}/importImage`,
          { source: { registryUri: 'mcr.microsoft.com', sourceImage: 'nothing:1' } }
        ]
      ]
    ]
    for (const [what, code, request] of rows)
      it(`${code} for ${what}`, async () => {
        const answer = await arm.call(...request(await arm.makeToken()))
        assert.equal(answer.json.error.code, code, answer.text)
        assert.equal(answer.json.status, 'Failed')
      })

    it('DataEndpointDisabled, ModeNotAllowed, ImmutableProperty and UnsupportedSku where the registries are wrong', async () => {
      const path = idOf('connectedRegistries', 'root1')
      const token = await arm.makeToken()
      const code = async (answer: Promise<Answer>): Promise<unknown> => (await answer).json.error.code
      await arm.ok('PUT', path, connected(token, { mode: 'ReadOnly' }))
      assert.equal(await code(arm.call('PUT', path, connected(token))), 'ImmutableProperty')
      const child = connected(await arm.makeToken('child'))
      child.properties.parent.id = path
      assert.equal(await code(arm.call('PUT', idOf('connectedRegistries', 'child'), child)), 'ModeNotAllowed')
      await arm.finish(await arm.call('PATCH', root, { properties: { dataEndpointEnabled: false } }))
      assert.equal(await code(arm.call('PUT', path, connected(token, { mode: 'ReadOnly' }))), 'DataEndpointDisabled')
      const plain = path.replace('Contoso', 'plain')
      assert.equal(await code(arm.call('PUT', plain, connected(token))), 'UnsupportedSku')
    })
  })
})
