import { stringify } from 'yaml'
import { repositoryOfEntry } from '../../module/settings/image-filter.ts'
import type { Answers } from './answers.ts'

const scopeMap = 'site-clients'
const helloWorld = 'hello-world'

/** A site file for somebody who reads one for the first time. */
export function siteText(answers: Answers): string {
  return [
    head,
    azureText(answers),
    importsText(answers),
    rightsText(answers),
    clientsText(answers),
    devicesText(answers)
  ].join('\n')
}

const head = `# A site: one place with its devices, and what they share. causeway reads this file and nothing else to make tokens in the
# cloud registry, deployment manifests, and the settings of the devices' registries. "causeway schema site" prints all that can
# stand here, for editors. Passwords are not here: "causeway provision" keeps them encrypted, in .causeway/ beside this file.
schemaVersion: '1.0'
`

function azureText({ subscription, resourceGroup, registry, hub, cloud }: Answers): string {
  return `azure:
  cloud: ${scalar(cloud)}
  subscription: ${scalar(subscription)}
  resourceGroup: ${scalar(resourceGroup)}
  registry: ${scalar(registry)} # the cloud registry, by name
  hub: ${scalar(hub)} # the IoT hub, by name
  # region: westeurope # the registry's, where devices may reach its data endpoint only by name
  # keyVault: my-vault # keeps the passwords in place of a file
`
}

function importsText({ repositories }: Answers): string {
  const example = 'source: mcr.microsoft.com/hello-world:latest'
  return repositories.some((entry) => repositoryOfEntry(entry) === helloWorld)
    ? `# Public images that "causeway images import" brings into the cloud registry, beside the runtime's.
imports:
  - ${example}
    image: hello-world:latest
`
    : `# Public images that "causeway images import" brings into the cloud registry, beside the runtime's.
# imports:
#   - ${example}
#     image: hello-world:latest
`
}

function rightsText({ mode, repositories, token }: Answers): string {
  const actions = ['content/read', 'metadata/read', ...(mode === 'ReadWrite' ? ['content/write'] : [])]
  const names = [...new Set(repositories.map(repositoryOfEntry))]
  return `# What client tokens may do, in ACR's own words. A trailing /* covers what is below a folder.
scopeMaps:
  ${scopeMap}:
    actions:
${names.flatMap((name) => actions.map((action) => `      - ${scalar(`repositories/${name}/${action}`)}`)).join('\n')}

# Who may log in to the devices' registries (and to the cloud registry). Devices are told salted hashes, no passwords.
tokens:
  ${scalar(token)}:
    scopeMap: ${scopeMap}

# What devices hold: whole repositories (app), single tags (app:v1), or globs (app:v1*). Lower priorities come first.
imageSets:
  workloads:
    priority: 10
    repositories:
${repositories.map((entry) => `      - ${scalar(entry)}`).join('\n')}

# How devices sync and report; a device may have its own. These are the defaults.
sync:
  intervalMinutes: 15
  # Windows and ceilings too: "causeway schema site" has them.
status:
  progressSeconds: 900
`
}

function clientsText({ clients }: Answers): string {
  if (clients === 'api-proxy')
    return `# Clients on the network and devices below come through IoT Edge's API proxy, by TLS, at this port of every device. The registry itself
# answers on the device's loopback only, where the device's own workloads come from.
apiProxyPort: 8000
`
  const direct = `# The template publishes the registry's port on the network, so that the device's own workloads are pulled from where its runtime is.
workloads:
  fromOwnRegistry: false
`
  return clients === 'tls'
    ? `# Clients on the network come to the registry's own port, by TLS with a certificate from IoT Edge: they trust the devices' root.
settings:
  registry:
    tls:
      source: workload

${direct}`
    : `# INSECURE: clients on the network come to the registry's own port by plain HTTP, and log in there. Whoever is on the way reads their
# passwords and can change what they pull. Better: the API proxy (leave this out), or registry: { tls: { source: workload } }.
settings:
  registry:
    plainHttpCredentials: allowed

${direct}`
}

function devicesText({ devices, domain, mode }: Answers): string {
  const names = registryNames(devices)
  const blocks = devices.map((id, index) => {
    const parent = devices[index - 1]
    // A device's id may have more than a host name may.
    const hostName = `${id.replace(/[^A-Za-z0-9.-]/g, '-').replace(/[.-]+$/, '')}.${domain === '' ? 'plant.example' : domain}`
    return `  ${scalar(id)}:
    connectedRegistry:
      name: ${names[index] ?? ''}
      mode: ${mode} # or ${mode === 'ReadOnly' ? 'ReadWrite' : 'ReadOnly'}
      # resource: true # makes the connected registry in Azure Resource Manager too
${parent === undefined ? '' : `    parent: ${scalar(parent)} # the device above, which this one syncs from\n`}${
      domain === '' ? '    # ' : '    '
    }hostName: ${scalar(hostName)} # what clients and devices below reach it by: hostname of its config.toml
    port: 8080 # of the device, for pulls that do not go through the API proxy
    # dataFolder: /home/azureuser/connected-registry
    # imageSets: [workloads] # all of them, where this is left out
    # tokens: [] # likewise
`
  })
  return `devices:
  # The key is the device's id in IoT Hub.
${blocks.join('\n')}`
}

/** Names of connected registries: 5 to 40 lower-case letters and digits, a letter first, each of its own. */
function registryNames(ids: readonly string[]): readonly string[] {
  const taken = new Set<string>()
  return ids.map((id, index) => {
    const letters = id
      .toLowerCase()
      .replace(/[^a-z0-9]/g, '')
      .replace(/^(?=[0-9])/, 'r')
      .slice(0, 30)
    const name = letters.length < 5 ? `${letters === '' ? 'r' : letters}registry` : letters
    const own = taken.has(name) ? `${name}${index + 1}` : name
    taken.add(own)
    return own
  })
}

/** Text in quotes where YAML would take it for something else. */
function scalar(text: string): string {
  return stringify(text, { lineWidth: 0 }).trimEnd()
}
