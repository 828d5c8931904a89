import { parseImageFilter } from '../../module/settings/image-filter.ts'
import { siteSchema } from '../site-file/schema.ts'
import { clientWays, modes, type ClientWay } from './names.ts'

/** What a site file is made of; devices from the top. */
export interface Answers {
  readonly subscription: string
  readonly resourceGroup: string
  readonly registry: string
  readonly hub: string
  readonly cloud: string
  readonly devices: readonly string[]
  /** The domain that the devices' names on the network end with; empty where it is left open. */
  readonly domain: string
  readonly mode: (typeof modes)[number]
  /** Entries of an image set. */
  readonly repositories: readonly string[]
  readonly token: string
  readonly clients: ClientWay
}

/** An answer as it is typed: by its option, or at its prompt. */
export interface Question {
  readonly name: keyof Answers
  readonly flag: string
  readonly prompt: string
  /** Taken for an empty answer; a question without one has to be answered. */
  readonly fallback?: string
  /** @returns why it cannot be taken, or undefined */
  readonly problem: (text: string) => string | undefined
}

const { azure, tokens, devices } = siteSchema.shape

/** A schema's own reason, so that what is asked for is what is taken. */
function by(schema: {
  safeParse(value: unknown): { readonly success: boolean; readonly error?: { issues: readonly { message: string }[] } }
}) {
  return (text: string): string | undefined => schema.safeParse(text).error?.issues[0]?.message
}

function oneOf(...words: readonly string[]) {
  return (text: string): string | undefined =>
    words.includes(text) ? undefined : `must be ${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`
}

/** The most layers that a site begins with: ISA-95 has no more between the plant and the cloud that pull images. */
const mostLayers = 3

export const questions: readonly Question[] = [
  {
    name: 'subscription',
    flag: '--subscription',
    prompt: 'Azure subscription id',
    problem: by(azure.shape.subscription)
  },
  { name: 'resourceGroup', flag: '--resource-group', prompt: 'Resource group', problem: by(azure.shape.resourceGroup) },
  { name: 'registry', flag: '--registry', prompt: 'Cloud registry (ACR), by name', problem: by(azure.shape.registry) },
  { name: 'hub', flag: '--hub', prompt: 'IoT hub, by name', problem: by(azure.shape.hub) },
  {
    name: 'cloud',
    flag: '--cloud',
    prompt: 'Azure cloud',
    fallback: 'AzureCloud',
    problem: oneOf(...azure.shape.cloud.unwrap().options)
  },
  {
    name: 'devices',
    flag: '--device',
    prompt: 'Devices by their ids in IoT Hub, from the top: one, or up to three below each other',
    fallback: 'gateway',
    problem: deviceProblem
  },
  {
    name: 'domain',
    flag: '--domain',
    prompt: "Domain of the devices' names on the network, such as plant.example (or nothing)",
    fallback: '',
    problem: (text) =>
      text === '' || /^[a-zA-Z0-9](?:[a-zA-Z0-9.-]{0,120}[a-zA-Z0-9])?$/.test(text) ? undefined : 'must be a domain'
  },
  {
    name: 'mode',
    flag: '--mode',
    prompt: 'May clients push to the devices: ReadWrite, or ReadOnly',
    fallback: 'ReadOnly',
    problem: oneOf(...modes)
  },
  {
    name: 'repositories',
    flag: '--repository',
    prompt: 'Repositories that the devices hold, such as hello-world or plant/app:v1*',
    fallback: 'hello-world',
    problem: (text) =>
      listOf(text).length === 0
        ? 'needs one at the least'
        : listOf(text).flatMap((entry) =>
            parseImageFilter(entry) === undefined ? [`${entry} is no repository, with or without :tag`] : []
          )[0]
  },
  {
    name: 'token',
    flag: '--token',
    prompt: 'Client token that may pull from them',
    fallback: 'site-client',
    problem: by(tokens.unwrap().keyType)
  },
  {
    name: 'clients',
    flag: '--clients',
    prompt:
      'How clients on the network come: api-proxy (TLS of IoT Edge), tls (the registry by itself, one layer only), http (insecure)',
    fallback: 'api-proxy',
    problem: oneOf(...clientWays)
  }
]

function deviceProblem(text: string): string | undefined {
  const ids = listOf(text)
  if (ids.length === 0 || ids.length > mostLayers) return `must be 1 to ${mostLayers} devices`
  if (new Set(ids).size < ids.length) return 'must be different devices'
  const key = devices.keyType
  return ids.flatMap((id) => by(key)(id) ?? [])[0]
}

/** What belongs together: who has one answer may not be free to give the other. */
export function problemWith(answers: Answers): string | undefined {
  return answers.clients === 'tls' && answers.devices.length > 1
    ? "--clients tls is for one layer: devices below come through the API proxy, which speaks plain HTTP with its own device's registry"
    : undefined
}

/** @param texts by the names of questions, each without a {@link Question.problem} */
export function answersOf(texts: ReadonlyMap<keyof Answers, string>): Answers {
  const text = (name: keyof Answers): string => texts.get(name) ?? ''
  return {
    subscription: text('subscription'),
    resourceGroup: text('resourceGroup'),
    registry: text('registry'),
    hub: text('hub'),
    cloud: text('cloud'),
    devices: listOf(text('devices')),
    domain: text('domain'),
    mode: text('mode') === 'ReadWrite' ? 'ReadWrite' : 'ReadOnly',
    repositories: [...new Set(listOf(text('repositories')))],
    token: text('token'),
    clients: clientWays.find((way) => way === text('clients')) ?? 'api-proxy'
  }
}

/** Words, with commas or spaces between them. */
function listOf(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '')
}
