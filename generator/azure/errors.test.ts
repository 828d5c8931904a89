import assert from 'node:assert/strict'
import { azureError } from './errors.ts'

function told(error: unknown): string {
  const { code, message } = azureError(error, 'reading token plant-client', 'registry r')
  return `${code} ${message}`
}

function restError(statusCode: number, code: string, message = 'The text.'): Error {
  return Object.assign(new Error(message), { name: 'RestError', statusCode, code })
}

describe('errors of Azure', () => {
  for (const [what, error, expected] of [
    [
      'a missing role',
      restError(403, 'AuthorizationFailed'),
      /^AZURE_FORBIDDEN .*AuthorizationFailed: The text\. Whoever/
    ],
    ['a wrong name', restError(404, 'ResourceGroupNotFound'), /^AZURE_NOT_FOUND .*Check the names under azure:/],
    ['a conflict', restError(409, 'Conflict'), /^AZURE_CONFLICT /],
    ['throttling', restError(429, 'TooManyRequests'), /^AZURE_THROTTLED /],
    ['a fault of the service', restError(503, 'ServerBusy'), /^AZURE_UNAVAILABLE /],
    [
      'a failed operation, which is a plain Error',
      new Error('The long-running operation has failed. TokenInvalid. No such scope map.'),
      /^AZURE_REFUSED .*TokenInvalid\. No such scope map\. The activity log may say why/
    ],
    [
      'a hub’s refusal',
      Object.assign(new Error('x'), {
        response: { statusCode: 404 },
        responseBody: '{"Message":"ErrorCode:DeviceNotFound;E1 no device"}'
      }),
      /^AZURE_NOT_FOUND .*: DeviceNotFound: E1 no device\. /
    ],
    [
      'a proxy’s page, without its text',
      Object.assign(new Error('Error: <html>'), { response: { statusCode: 502 }, responseBody: '<html>' }),
      /^AZURE_UNAVAILABLE .*: HTTP 502\. /
    ],
    [
      'nobody to sign in as',
      Object.assign(new Error('no chain\nEnvironmentCredential: …'), { name: 'CredentialUnavailableError' }),
      /^AZURE_UNAUTHORIZED .*nobody to sign in as \(no chain\)\. .*az login$/
    ],
    [
      'a secret that is wrong',
      Object.assign(new Error('chain\n- AADSTS7000215: Invalid client secret provided. Trace ID: 1\n'), {
        name: 'AggregateAuthenticationError'
      }),
      /^AZURE_UNAUTHORIZED .*refuses the sign-in \(AADSTS7000215: Invalid client secret provided/
    ],
    [
      'a tenant that is not in this cloud',
      Object.assign(new Error('chain\n- AADSTS90002: Tenant x not found. Trace ID: 1\n'), {
        name: 'AuthenticationError'
      }),
      /^AZURE_UNAUTHORIZED .*AADSTS90002.*Look whether azure\.cloud of the site file/
    ],
    [
      'a token of another cloud',
      restError(401, 'InvalidAuthenticationTokenAudience'),
      /^AZURE_UNAUTHORIZED .*Look whether azure\.cloud of the site file/
    ],
    [
      'a vault of another tenant',
      Object.assign(
        new Error(
          'EnvironmentCredential authentication failed. Status code: 400\nMore details:\nThe current credential is not configured to acquire tokens for tenant 00000000-0000-0000-0000-0000000000a1. To enable'
        ),
        { name: 'AuthenticationError' }
      ),
      /^AZURE_UNAUTHORIZED .*belongs to tenant 00000000-0000-0000-0000-0000000000a1, .*Set AZURE_TENANT_ID/
    ],
    [
      'a sign-in service with a problem of its own',
      Object.assign(
        new Error(
          'EnvironmentCredential authentication failed.\nMore details:\nserver_error: Error(s): Not Available\nHttp status code: 502\n'
        ),
        { name: 'AuthenticationError' }
      ),
      /^AZURE_UNAVAILABLE .*the sign-in service of Azure, or a proxy before it, has a problem .*\(HTTP 502\); run this again later/
    ],
    [
      'a sign-in service that cannot be reached',
      Object.assign(new Error('network_error: See …'), { name: 'AuthenticationRequiredError' }),
      /^AZURE_UNREACHABLE .*sign-in service of Azure cannot be reached \(network_error\); .*https_proxy.*NODE_EXTRA_CA_CERTS$/
    ],
    [
      'a name that is not there',
      new Error('request failed', { cause: Object.assign(new Error('dns'), { code: 'ENOTFOUND' }) }),
      /^AZURE_UNREACHABLE .*registry r cannot be reached \(ENOTFOUND\); .*https_proxy$/
    ],
    [
      'a proxy that opens TLS',
      Object.assign(new Error('tls'), { code: 'SELF_SIGNED_CERT_IN_CHAIN' }),
      /NODE_EXTRA_CA_CERTS$/
    ],
    ['Ctrl-C', Object.assign(new Error('aborted'), { name: 'AbortError' }), /^CANCELLED /]
  ] as const)
    it(`tells ${what}`, () => {
      assert.match(told(error), expected)
    })

  it('leaves out the signatures of polling addresses, and all but the first line', () => {
    const text = told(restError(400, 'Bad', 'GET https://management.azure.com/x?t=1&s=SIGNATURE failed\nmore'))
    assert.doesNotMatch(text, /SIGNATURE|more/)
  })
})
