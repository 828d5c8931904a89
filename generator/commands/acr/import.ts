import type { ImportImageParameters } from '@azure/arm-containerregistry'
import { isRepository, isTag } from '../../../module/oci/name.ts'
import { isThereAlready } from '../../acr/import-conflict.ts'
import { GeneratorError } from '../../errors.ts'
import type { AcrCommand } from './command.ts'
import { givenPassword, passwordVariable } from './given-password.ts'
import type { Invocation } from './invocation.ts'
import * as options from './options.ts'

type Source = ImportImageParameters['source']

export const importCommand: AcrCommand = {
  words: 'import',
  summary: 'copy an image into a cloud registry, from registry to registry',
  options: [
    options.registryAsName,
    options.resourceGroup,
    {
      names: ['--source'],
      arity: 'one',
      required: true,
      help: 'HOST/REPOSITORY:TAG, or REPOSITORY:TAG of the registry that --registry names'
    },
    {
      names: ['--registry', '-r'],
      arity: 'one',
      help: 'the Azure registry that the image is in: its name, login server or resource id'
    },
    { names: ['--username', '-u'], arity: 'one', help: 'who to be at another registry' },
    {
      names: ['--password', '-p'],
      arity: 'one',
      help: `where the password there is: @FILE, or @- for stdin (default: ${passwordVariable}); never the password itself`
    },
    {
      names: ['--image', '-t'],
      arity: 'one',
      append: true,
      help: 'REPOSITORY:TAG to call it here (default: as it is called there); may be repeated'
    },
    { names: ['--repository'], arity: 'one', append: true, help: 'a repository to copy it to without a tag' },
    { names: ['--force'], arity: 'flag', help: 'move tags that are there already' },
    { names: ['--no-wait'], arity: 'flag', help: 'return once the import has begun' }
  ],
  run
}

async function run(call: Invocation): ReturnType<AcrCommand['run']> {
  const { args } = call
  const credentials = args.has('--username') || args.has('--password')
  const password = credentials ? await givenPassword(call.context, args.optional('--password')) : undefined
  if (credentials && password === undefined)
    throw args.usage(`--username needs a password: --password @FILE, --password @- for stdin, or ${passwordVariable}`)
  const image = args.text('--source')
  const targets = (args.list('--image') ?? []).map((target) => checkTarget(call, '--image', target))
  const repositories = (args.list('--repository') ?? []).map((target) => checkTarget(call, '--repository', target))
  const plain = args.has('--registry') ? undefined : splitSource(call, image)
  const cloud = await call.registry('--name')
  const source = plain === undefined ? await azureSource(call, image) : await hostSource(call, plain, password)
  const targetTags = targets.length + repositories.length > 0 ? targets : [source.sourceImage.replace(/@.*$/, '')]
  const wait = !args.has('--no-wait')
  if (!wait) call.warn('Import has started. Due to no-wait option, failures will not be reflected.')
  try {
    await cloud.importImage(
      {
        source,
        targetTags,
        untaggedTargetRepositories: repositories,
        mode: args.has('--force') ? 'Force' : 'NoForce'
      },
      wait
    )
  } catch (error) {
    if (error instanceof GeneratorError && isThereAlready(error.cause))
      throw new GeneratorError(
        'AZURE_CONFLICT',
        `${targetTags.join(', ')} ${targetTags.length > 1 ? 'are' : 'is'} there already; --force moves what is there`,
        { cause: error }
      )
    throw error
  }
  return null
}

interface HostedImage {
  readonly host: string
  readonly image: string
}

function splitSource(call: Invocation, text: string): HostedImage {
  const slash = text.indexOf('/')
  const host = text.slice(0, Math.max(slash, 0))
  if (host.includes('.')) return { host, image: text.slice(slash + 1) }
  throw call.args.usage(
    `--source ${JSON.stringify(text.slice(0, 200))} names no registry: write HOST/REPOSITORY:TAG, or give --registry`
  )
}

/** A registry of this subscription is read with the caller's own rights, if it is named by its id. */
async function hostSource(
  call: Invocation,
  { host, image }: HostedImage,
  password: string | undefined
): Promise<Source> {
  if (password !== undefined) {
    const username = call.args.optional('--username')
    const credentials = { password, ...(username === undefined ? {} : { username }) }
    return { registryUri: host, sourceImage: image, credentials }
  }
  // No other host can be a registry of the subscription, and not everybody may list those.
  const own = /\.azurecr\.(?:io|us|cn)$/i.test(host) ? await findRegistry(call, host) : undefined
  return own?.id === undefined ? { registryUri: host, sourceImage: image } : { resourceId: own.id, sourceImage: image }
}

async function azureSource(call: Invocation, image: string): Promise<Source> {
  const named = call.args.text('--registry')
  if (
    /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.ContainerRegistry\/registries\/[^/]+$/i.test(
      named
    )
  )
    return { resourceId: named, sourceImage: image }
  const registry = await findRegistry(call, named)
  if (registry?.id === undefined)
    throw new GeneratorError(
      'AZURE_NOT_FOUND',
      `the source registry ${named} is not in this subscription: give its resource id, or HOST/REPOSITORY:TAG as --source`
    )
  const prefix = `${registry.loginServer ?? ''}/`
  if (!image.toLowerCase().startsWith(prefix.toLowerCase())) return { resourceId: registry.id, sourceImage: image }
  call.warn(`The login server name of "${prefix.slice(0, -1)}" in --source is ignored, as --registry gives it already.`)
  return { resourceId: registry.id, sourceImage: image.slice(prefix.length) }
}

async function findRegistry(
  call: Invocation,
  named: string
): Promise<{ readonly id?: string; readonly loginServer?: string } | undefined> {
  const wanted = named.toLowerCase()
  const all = await (await call.management()).registries()
  return all.find(({ name, loginServer }) => [name?.toLowerCase(), loginServer?.toLowerCase()].includes(wanted))
}

function checkTarget(call: Invocation, option: string, text: string): string {
  const colon = text.lastIndexOf(':')
  const repository = colon === -1 ? text : text.slice(0, colon)
  const tag = colon === -1 ? undefined : text.slice(colon + 1)
  const good = isRepository(repository) && (tag === undefined || (option === '--image' && isTag(tag)))
  if (good) return text
  throw call.args.usage(
    `${option} ${JSON.stringify(text.slice(0, 300))} is not ${option === '--image' ? 'REPOSITORY:TAG' : 'a repository'}, in lower case and without a registry`
  )
}
