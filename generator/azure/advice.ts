import type { GeneratorErrorCode } from '../errors.ts'
import type { Refusal } from './errors.ts'

type Advice = readonly [code: GeneratorErrorCode, advice: string]

/**
 * What to do about a refusal of Azure: by the service's own code where that says more than the status, then by the status.
 * Azure publishes no list of codes; these are those of its documents and of people's reports.
 */
export function adviceFor(refusal: Refusal): Advice {
  return adviceByCode(refusal) ?? byStatus(refusal)
}

/** What to do about a refusal whose own code says it; undefined for others. */
export function adviceByCode({ code = '', message, operation }: Refusal): Advice | undefined {
  return operation === 'lost' ? lost : byCode(code, message)
}

/** A 404 that is not about any name. */
const lost: Advice = [
  'AZURE_REFUSED',
  'Azure no longer knows the operation that it had begun, nor says what came of it: run this again, which looks'
]

/** Whether a write was refused because of another to the same thing, which will end. */
export function isOperationUnderWay({ code }: Refusal): boolean {
  return code === 'OperationInProgress' || code === 'AnotherOperationInProgress'
}

function byCode(code: string, message: string): Advice | undefined {
  switch (code) {
    case 'AuthorizationFailed': {
      const [, action, scope] = /perform action '([^']+)' over scope '([^']+)'/.exec(message) ?? []
      return ['AZURE_FORBIDDEN', `${roleWith(action, scope)}. A role that was just given takes some minutes`]
    }
    case 'LinkedAuthorizationFailed': {
      const [, action, scope] = /action\(s\) '([^']+)' on the linked scope\(s\) '([^']+)'/.exec(message) ?? []
      return [
        'AZURE_FORBIDDEN',
        `The other resource that this speaks of is the one you have no right on. ${roleWith(action, scope)}`
      ]
    }
    case 'IotHubUnauthorizedAccess':
      return [
        'AZURE_UNAUTHORIZED',
        'Check the key in IOTHUB_CONNECTION_STRING and what its policy allows (registry read and write, service connect); with Entra ID, the role IoT Hub Data Contributor'
      ]
    case 'RegistryStatusConflict':
      return [
        'AZURE_CONFLICT',
        'Another operation on it is under way: wait until it has ended (az acr show -n <registry> --query provisioningState), and run this again'
      ]
    case 'OperationInProgress':
    case 'AnotherOperationInProgress':
      return ['AZURE_CONFLICT', 'Another operation on it is under way: wait until it has ended, and run this again']
    case 'ScopeLocked':
      return ['AZURE_CONFLICT', 'A lock keeps it as it is: whoever set it has to take it away (az lock list)']
    case 'ConfigurationCountLimitExceeded':
      return [
        'HUB_FULL',
        'A hub has 100 automatic deployments and configurations at most: take away what is no longer used (az iot edge deployment list)'
      ]
    case 'IotHubQuotaExceeded':
      return [
        'AZURE_QUOTA',
        "The hub's messages of today are used up: they are counted anew at midnight UTC, or give it more units"
      ]
    case 'SubscriptionNotFound':
      return ['AZURE_NOT_FOUND', 'Check the subscription and the cloud, and whether you are signed in to its tenant']
  }
  return /quota|limitexceeded|exceededlimit/i.test(code)
    ? ['AZURE_QUOTA', 'Azure has a limit there: delete what is no longer used, or have the limit raised']
    : undefined
}

function roleWith(action: string | undefined, scope: string | undefined): string {
  const right = action === undefined ? 'this' : action
  const where = scope === undefined ? 'the registry' : scope
  return `Whoever you are signed in as needs a role that allows ${right}, such as Contributor on ${where} (az role assignment create)`
}

function byStatus({ status, retryAfter, operation }: Refusal): Advice {
  if (operation !== undefined)
    return [
      'AZURE_REFUSED',
      'The activity log may say why (az monitor activity-log list --resource-group <group>): look there, and run this again'
    ]
  switch (status) {
    case 401:
      return ['AZURE_UNAUTHORIZED', 'Sign in again, or check AZURE_CLIENT_SECRET or IOTHUB_CONNECTION_STRING']
    case 403:
      return ['AZURE_FORBIDDEN', 'Whoever you are signed in as needs a role that allows this']
    case 404:
      return ['AZURE_NOT_FOUND', 'Check the names under azure: in the site file']
    case 408:
      return ['AZURE_UNAVAILABLE', 'Azure took too long; run this again']
    case 409:
    case 412:
      return ['AZURE_CONFLICT', 'Something else changed it at the same time; run this again']
    case 429:
      return [
        'AZURE_THROTTLED',
        `Azure asks for patience; run this again in ${retryAfter === undefined ? 'a minute' : `${retryAfter} seconds`}`
      ]
    default:
      return status !== undefined && status >= 500
        ? [
            'AZURE_UNAVAILABLE',
            `Azure has a problem of its own; run this again ${retryAfter === undefined ? 'later' : `in ${retryAfter} seconds`}`
          ]
        : ['AZURE_REFUSED', '']
  }
}
