import { GeneratorError } from '../errors.ts'

/** Names as the service's specification has them (facts: arm-wire §4), checked before it is called. */
const rules = {
  registry: { pattern: /^[a-zA-Z0-9]{5,50}$/, text: '5 to 50 letters and digits' },
  token: { pattern: /^[a-zA-Z0-9-]{5,50}$/, text: '5 to 50 letters, digits and hyphens' },
  'scope map': { pattern: /^[a-zA-Z0-9_-]{5,50}$/, text: '5 to 50 letters, digits, - and _' },
  'connected registry': { pattern: /^[a-zA-Z0-9]{5,50}$/, text: '5 to 50 letters and digits' },
  // The strictest of the forms that Azure's pages give: the name serves as token, scope map and gateway too.
  'new connected registry': {
    pattern: /^[a-zA-Z][a-zA-Z0-9]{4,39}$/,
    text: '5 to 40 letters and digits, a letter first'
  },
  'resource group': { pattern: /^[\p{L}\p{N}_().-]{1,90}$/u, text: 'letters, digits and _().-' }
} as const

/** @throws {GeneratorError} `USAGE` */
export function checkName(kind: keyof typeof rules, name: string): string {
  const { pattern, text } = rules[kind]
  if (pattern.test(name)) return name
  throw new GeneratorError('USAGE', `${JSON.stringify(name.slice(0, 100))} cannot be the name of a ${kind}: ${text}`)
}

/** What Azure defines and keeps itself, such as `_repositories_pull`, can be read and used, not changed. */
export function checkOwnScopeMap(name: string): string {
  if (name.toLowerCase().startsWith('_repositories_'))
    throw new GeneratorError('USAGE', `scope map ${name} is defined by Azure and cannot be changed`)
  return checkName('scope map', name)
}

/** A registry's name, also where its login server was given, as az takes it. */
export function registryName(text: string): string {
  return checkName('registry', text.replace(/(?:-[a-z0-9]+)?\.azurecr\.(?:io|us|cn)$/i, ''))
}

/** az also takes the name of a subscription; nobody here can look that up. */
export function checkSubscription(id: string): string {
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return id
  throw new GeneratorError(
    'USAGE',
    `--subscription or AZURE_SUBSCRIPTION_ID must be an id, as az account show --query id prints it, and not ${JSON.stringify(id.slice(0, 100))}`
  )
}
