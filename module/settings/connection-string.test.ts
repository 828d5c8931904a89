import assert from 'node:assert/strict'
import { formatConnectionString, parseConnectionString, unknownFields } from './connection-string.ts'
import { SettingsError } from './errors.ts'

const text =
  'ConnectedRegistryName=plant;SyncTokenName=plant-sync-token;SyncTokenPassword=a=b+c/d==;' +
  'ParentGatewayEndpoint=mycontainerregistry001.westus2.data.azurecr.io;ParentEndpointProtocol=https'

describe('connection string', () => {
  it("reads az's five fields, and a password that holds =", () => {
    const connection = parseConnectionString(text)
    assert.equal(connection.syncTokenPassword, 'a=b+c/d==')
    assert.equal(connection.syncTokenName, 'plant-sync-token')
    assert.equal(formatConnectionString(connection), text)
  })

  it('takes https where the protocol is not given', () => {
    assert.equal(parseConnectionString(text.replace(/;ParentEndpointProtocol.*/, '')).parentEndpointProtocol, 'https')
  })

  it('passes over fields of a newer az, and says where they stand', () => {
    assert.deepEqual(unknownFields(text), [])
    assert.deepEqual(parseConnectionString(`${text};AuthType=SyncToken;stray`), parseConnectionString(text))
    assert.deepEqual(unknownFields(`AuthType=SyncToken;${text};stray`), [1, 7])
  })

  it('takes keys in any case, and quotes around the whole', () => {
    const lower = text.replace(/\w+(?==)/, (key) => key.toLowerCase())
    for (const given of [lower, `"${text}"`, `'${text}'`])
      assert.deepEqual(parseConnectionString(given), parseConnectionString(text))
  })

  for (const [what, bad] of [
    ['a missing field', text.replace(/SyncTokenName=[^;]*;/, '')],
    ['an empty field', text.replace(/SyncTokenName=[^;]*;/, 'SyncTokenName=;')],
    ['a field twice', `${text};synctokenname=x`],
    ['another protocol', text.replace('=https', '=ftp')],
    ['plain text', 'hello']
  ] as const)
    it(`refuses ${what} without showing a value`, () => {
      assert.throws(
        () => parseConnectionString(bad),
        (error) =>
          error instanceof SettingsError &&
          error.code === 'CONNECTION_STRING_INVALID' &&
          !error.message.includes('a=b+c')
      )
    })
})
