import type { Option } from './arguments.ts'
import { outputFormats } from './output.ts'

/** Options that several commands have, in az's spelling. */

export const registry: Option = {
  names: ['--registry', '-r'],
  arity: 'one',
  required: true,
  help: 'name or login server of the cloud registry'
}

export const registryAsName: Option = {
  names: ['--name', '-n'],
  arity: 'one',
  required: true,
  help: 'name of the cloud registry'
}

export const resourceGroup: Option = {
  names: ['--resource-group', '-g'],
  arity: 'one',
  help: "the registry's resource group; looked up where it is not given"
}

export const yes: Option = { names: ['--yes', '-y'], arity: 'flag', help: 'do not ask for confirmation' }

export function named(what: string): Option {
  return { names: ['--name', '-n'], arity: 'one', required: true, help: `name of the ${what}` }
}

export const description: Option = {
  names: ['--description'],
  arity: 'one',
  help: 'what the scope map is for, up to 256 characters'
}

export const repositoryRules: Option = {
  names: ['--repository'],
  arity: 'some',
  append: true,
  help: 'REPO ACTION…: what may be done there; once for each repository'
}

export const gatewayRules: Option = {
  names: ['--gateway'],
  arity: 'some',
  append: true,
  help: 'GATEWAY ACTION…: what may be done on a connected registry; once for each'
}

export const status: Option = {
  names: ['--status'],
  arity: 'one',
  choices: ['enabled', 'disabled'],
  help: 'whether the token works'
}

export const expiration: Option = {
  names: ['--expiration'],
  arity: 'one',
  help: 'when the passwords run out, such as 2030-12-31T12:59:59Z (default: never)'
}

export const expirationInDays: Option = {
  names: ['--expiration-in-days'],
  hidden: ['--days'],
  arity: 'one',
  help: 'in how many days the passwords run out'
}

export function threeState(name: string, help: string): Option {
  return { names: [name], arity: 'optional', choices: ['true', 'false'], help }
}

/** What every command has: az's first, then Causeway's own. */
export const common: readonly Option[] = [
  { names: ['--output', '-o'], arity: 'one', choices: outputFormats, help: 'how to print the result (default: json)' },
  { names: ['--query'], arity: 'one', help: 'JMESPath of what to print' },
  {
    names: ['--subscription'],
    arity: 'one',
    help: 'id of the subscription (default: AZURE_SUBSCRIPTION_ID)'
  },
  { names: ['--only-show-errors'], arity: 'flag', help: 'leave warnings out' },
  { names: ['--help', '-h'], arity: 'flag', help: 'print this' },
  {
    names: ['--cloud'],
    arity: 'one',
    choices: ['AzureCloud', 'AzureUSGovernment', 'AzureChinaCloud'],
    own: true,
    help: 'the cloud that the registry is in (default: AzureCloud)'
  },
  {
    names: ['--secrets'],
    arity: 'one',
    own: true,
    help: 'where passwords are kept, a file or the address of a key vault (default: CAUSEWAY_SECRETS, or .causeway/secrets.jwe here or beside CAUSEWAY_SITE)'
  },
  { names: ['--show-secrets'], arity: 'flag', own: true, help: 'print passwords into the log of a CI too' }
]
