import { certificateFile, certificateNotes, imageIn, type EngineConfiguration } from './engine.ts'
import type { Situation } from './situation.ts'

const daemonFile = '/etc/docker/daemon.json'

/** docker keeps the login by itself, trusts by folder, and takes the rest from the daemon's own file. */
export function dockerConfiguration(situation: Situation): EngineConfiguration {
  const { registry, url, isEncrypted, isLoopback, token, mirrors, image, isAnonymous } = situation
  const certificate = `/etc/docker/certs.d/${registry}/ca.crt`
  const mirrorsHub = mirrors.some((mirror) => mirror === 'docker.io')
  const daemon = {
    // All of 127.0.0.0/8 is insecure to docker without being named.
    ...(isEncrypted || isLoopback ? {} : { 'insecure-registries': [registry] }),
    ...(mirrorsHub ? { 'registry-mirrors': [url] } : {})
  }
  const needsDaemonFile = Object.keys(daemon).length > 0
  const others = mirrors.filter((mirror) => mirror !== 'docker.io')
  const mirrored = imageIn(mirrorsHub ? 'docker.io' : undefined, image)
  return {
    engine: 'docker',
    files: [
      ...(needsDaemonFile
        ? [{ path: daemonFile, content: `${JSON.stringify(daemon, undefined, 2)}\n`, holdsPassword: false }]
        : []),
      ...certificateFile(situation, certificate)
    ],
    ...(token === undefined ? {} : { login: `docker login ${registry} --username ${token} --password-stdin` }),
    pull: `docker pull ${registry}/${image}`,
    ...(mirrored === undefined ? {} : { pullThroughMirror: `docker pull ${mirrored}` }),
    notes: [
      ...certificateNotes(situation, certificate),
      ...(needsDaemonFile
        ? [`a ${daemonFile} that is there already is to be merged with this; then: sudo systemctl restart docker`]
        : []),
      ...(others.length > 0
        ? [`docker mirrors docker.io and nothing else: images of ${others.join(', ')} are pulled as ${registry}/…`]
        : []),
      ...(mirrorsHub && !isAnonymous
        ? [
            'docker sends mirrors no credentials: without anonymous pull this one refuses, and docker goes on to docker.io'
          ]
        : [])
    ]
  }
}
