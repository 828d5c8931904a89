import { certificateFile, certificateNotes, imageIn, toml, type EngineConfiguration } from './engine.ts'
import type { Situation } from './situation.ts'

/** podman, and skopeo, buildah and CRI-O, which read the same files. */
export function podmanConfiguration(situation: Situation): EngineConfiguration {
  const { registry, isEncrypted, token, mirrors, image } = situation
  const certificate = `/etc/containers/certs.d/${registry}/ca.crt`
  const insecure = isEncrypted ? [] : ['insecure = true']
  const tables = [
    // Loopback too is asked by TLS where nothing else is said.
    ...(isEncrypted ? [] : [['[[registry]]', `location = ${toml(registry)}`, ...insecure]]),
    ...mirrors.map((mirror) => [
      '[[registry]]',
      `location = ${toml(mirror)}`,
      '',
      '[[registry.mirror]]',
      `location = ${toml(registry)}`,
      ...insecure
    ])
  ]
  const mirrored = imageIn(mirrors[0], image)
  return {
    engine: 'podman',
    files: [
      ...(tables.length === 0
        ? []
        : [
            {
              path: `/etc/containers/registries.conf.d/050-${registry.replace(':', '-')}.conf`,
              content: `${tables.map((lines) => lines.join('\n')).join('\n\n')}\n`,
              holdsPassword: false
            }
          ]),
      ...certificateFile(situation, certificate)
    ],
    ...(token === undefined ? {} : { login: `podman login ${registry} --username ${token} --password-stdin` }),
    pull: `podman pull ${registry}/${image}`,
    ...(mirrored === undefined ? {} : { pullThroughMirror: `podman pull ${mirrored}` }),
    notes: certificateNotes(situation, certificate)
  }
}
