import { stringify } from 'yaml'
import { certificateFile, certificateNotes, imageIn, type EngineConfiguration } from './engine.ts'
import type { Situation } from './situation.ts'

const folder = '/etc/rancher/k3s'

/** k3s makes containerd's files out of one of its own, when it starts. */
export function k3sConfiguration(situation: Situation, password?: string): EngineConfiguration {
  const { registry, url, token, mirrors, image, isAnonymous } = situation
  const certificate = `${folder}/${registry.replace(':', '-')}.crt`
  const holdsPassword = token !== undefined && password !== undefined
  const own = {
    ...(holdsPassword ? { auth: { username: token, password } } : {}),
    ...(situation.needsCertificate ? { tls: { ca_file: certificate } } : {})
  }
  const endpoint = [url]
  const document = {
    // Named itself too: for one that is not, k3s would try TLS first.
    mirrors: Object.fromEntries([registry, ...mirrors].map((name) => [name, { endpoint }])),
    ...(Object.keys(own).length === 0 ? {} : { configs: { [registry]: own } })
  }
  const mirrored = imageIn(mirrors[0], image)
  return {
    engine: 'k3s',
    files: [
      {
        path: `${folder}/registries.yaml`,
        content: stringify(document, { aliasDuplicateObjects: false, lineWidth: 0 }),
        holdsPassword
      },
      ...certificateFile(situation, certificate)
    ],
    pull: `sudo k3s crictl pull ${registry}/${image}`,
    ...(mirrored === undefined ? {} : { pullThroughMirror: `sudo k3s crictl pull ${mirrored}` }),
    notes: [
      ...certificateNotes(situation, certificate),
      'on every node that pulls; then: sudo systemctl restart k3s (k3s-agent on agents)',
      ...(token === undefined || holdsPassword || isAnonymous
        ? []
        : [
            `k3s has no login: pods bring imagePullSecrets, or --with-password puts the password of ${token} into this file`
          ])
    ]
  }
}
