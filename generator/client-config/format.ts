import type { EngineConfiguration } from './engine.ts'
import type { Situation } from './situation.ts'

interface ClientConfig {
  readonly device: string
  readonly situation: Situation
  readonly engines: readonly EngineConfiguration[]
  /** The command that prints the password of the token. */
  readonly passwordFrom: string | undefined
}

/** What `causeway client-config` prints. Passwords are in files that it writes, and never here. */
export function formatClientConfig(config: ClientConfig, output: 'text' | 'json'): string {
  return output === 'json' ? `${JSON.stringify(document(config), undefined, 2)}\n` : text(config)
}

function document({ device, situation, engines, passwordFrom }: ClientConfig): object {
  const { registry, url, through, trust, token, warnings } = situation
  return {
    device,
    registry,
    url,
    through,
    trust,
    token: token ?? null,
    passwordFrom: passwordFrom ?? null,
    warnings,
    engines: engines.map(({ files, ...engine }) => ({
      ...engine,
      files: files.map(({ path, content, holdsPassword }) => ({
        path,
        ...(holdsPassword ? {} : { content }),
        holdsPassword
      }))
    }))
  }
}

const trusted: Readonly<Record<Situation['trust'], string>> = {
  nobody: 'plain HTTP',
  'iot-edge': 'TLS with a certificate from IoT Edge',
  'own-certificate': "TLS with the site's own certificate"
}

function text({ device, situation, engines, passwordFrom }: ClientConfig): string {
  const { registry, through, trust } = situation
  const way = through === 'api-proxy' ? 'through its API proxy' : 'at its own port'
  const head = `${registry}: the registry of ${device}, ${way}, ${trusted[trust]}\n`
  return [head, ...engines.map((engine) => engineText(engine, passwordFrom))].join('\n')
}

function engineText(
  { engine, files, login, pull, pullThroughMirror, notes }: EngineConfiguration,
  passwordFrom: string | undefined
): string {
  return [
    `== ${engine}`,
    ...files.map(({ path, content, holdsPassword }) =>
      holdsPassword
        ? `-- ${path} (0600; holds a password, and so is not shown)`
        : `-- ${path}\n${content.trimEnd()}\n--`
    ),
    ...notes.map((note) => `note:    ${note}`),
    ...(login === undefined ? [] : [`log in:  ${passwordFrom ?? ''} | ${login}`]),
    `pull:    ${pull}`,
    ...(pullThroughMirror === undefined ? [] : [`or:      ${pullThroughMirror}`]),
    ''
  ].join('\n')
}
