import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

export const engineNames = ['buildah', 'podman', 'docker'] as const
export type EngineName = (typeof engineNames)[number]

export interface Build {
  readonly file: string
  readonly context: string
  readonly arguments: Readonly<Record<string, string>>
  /** As Docker names it: `linux/arm64`. */
  readonly platform: string
  readonly epoch: number
  readonly tag: string
}

/** What builds and pushes images on this machine: the first that is there, buildah and podman before docker. */
export function findEngine(wanted: string | undefined): EngineName | undefined {
  return engineNames
    .filter((name) => wanted === undefined || name === wanted)
    .find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined)
}

export function buildCommand(engine: EngineName, build: Build): string[] {
  const args = Object.entries(build.arguments).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`])
  const common = [...args, '--platform', build.platform, '--tag', build.tag, '--file', build.file]
  switch (engine) {
    case 'buildah':
    case 'podman':
      return [
        ...(engine === 'buildah' ? ['bud', '--isolation', 'chroot'] : ['build']),
        // OCI's form of an image knows no HEALTHCHECK.
        ...['--format', 'docker', '--timestamp', String(build.epoch)],
        ...common,
        build.context
      ]
    case 'docker':
      return ['build', ...common, build.context]
  }
}

/** Engines speak TLS with every registry but those on this machine. */
export function pushCommands(engine: EngineName, tag: string, reference: string): string[][] {
  const tls = isLoopback(reference) ? ['--tls-verify=false'] : []
  if (engine !== 'docker') return [['push', ...tls, tag, `docker://${reference}`]]
  return [
    ['tag', tag, reference],
    ['push', reference]
  ]
}

export function isLoopback(reference: string): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?\//.test(reference)
}

/** Runs a command whose output is for whoever started this. @throws where it does not end well */
export async function execute(command: string, words: readonly string[]): Promise<void> {
  const child = spawn(command, words, { stdio: ['ignore', 'inherit', 'inherit'] })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${command} ${words[0] ?? ''} failed`)
}
