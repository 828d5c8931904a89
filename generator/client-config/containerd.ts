import {
  certificateFile,
  certificateNotes,
  imageIn,
  toml,
  type ConfigurationFile,
  type EngineConfiguration
} from './engine.ts'
import type { Situation } from './situation.ts'

const folder = '/etc/containerd/certs.d'

/** containerd has no login: its CRI gets credentials with each pull, or finds them here as a header. */
export function containerdConfiguration(situation: Situation, password?: string): EngineConfiguration {
  const { registry, url, token, mirrors, image, isAnonymous } = situation
  const certificate = `${folder}/${registry}/ca.crt`
  const host = (capabilities: string): string =>
    [
      `[host.${toml(url)}]`,
      `  capabilities = [${capabilities}]`,
      ...(situation.needsCertificate ? [`  ca = ${toml(certificate)}`] : []),
      ...(token === undefined || password === undefined
        ? []
        : [
            `  [host.${toml(url)}.header]`,
            `    authorization = ${toml(`Basic ${Buffer.from(`${token}:${password}`).toString('base64')}`)}`
          ])
    ].join('\n')
  const file = (of: string, server: string, capabilities: string): ConfigurationFile => ({
    path: `${folder}/${of}/hosts.toml`,
    content: `server = ${toml(server)}\n\n${host(capabilities)}\n`,
    holdsPassword: token !== undefined && password !== undefined
  })
  const mirrored = imageIn(mirrors[0], image)
  // The prompt of ctr, since a password after the colon would be seen by every user of the machine.
  const ctr = `sudo ctr images pull --hosts-dir ${folder}${token === undefined || password !== undefined ? '' : ` --user ${token}`}`
  return {
    engine: 'containerd',
    files: [
      file(registry, url, '"pull", "resolve", "push"'),
      // A mirror is asked first; what it does not have is asked for where it comes from.
      ...mirrors.map((mirror) => file(mirror, serverOf(mirror), '"pull", "resolve"')),
      ...certificateFile(situation, certificate)
    ],
    pull: `${ctr} ${registry}/${image}`,
    ...(mirrored === undefined ? {} : { pullThroughMirror: `${ctr} ${mirrored}` }),
    notes: [
      ...certificateNotes(situation, certificate),
      `for Kubernetes, /etc/containerd/config.toml says config_path = "${folder}", under [plugins."io.containerd.grpc.v1.cri".registry], or [plugins."io.containerd.cri.v1.images".registry] from containerd 2 on; then: sudo systemctl restart containerd`,
      ...(token === undefined || password !== undefined || isAnonymous
        ? []
        : [
            `containerd has no login: pods bring imagePullSecrets, or --with-password puts the password of ${token} into these files`
          ])
    ]
  }
}

/** Docker Hub's images have another address than its name. */
function serverOf(registry: string): string {
  return `https://${registry === 'docker.io' ? 'registry-1.docker.io' : registry}`
}
