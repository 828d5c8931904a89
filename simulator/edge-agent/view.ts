import type { RuntimeStatus } from './backoff.ts'
import type { Module } from './module.ts'

/** What the control API and tests see of a module. */
export interface ModuleView {
  readonly name: string
  readonly runtimeStatus: RuntimeStatus
  readonly statusDescription: string
  readonly image: string
  readonly digest?: string
  readonly pid?: number
  readonly exitCode: number
  readonly restartCount: number
  /** `8080/tcp` → the port on 127.0.0.1 that it stands for. */
  readonly ports: Readonly<Record<string, number>>
  readonly log: readonly string[]
}

export function viewOf(module: Module): ModuleView {
  const { container, spec } = module
  return {
    name: spec.name,
    runtimeStatus: module.status,
    statusDescription: module.statusDescription,
    image: spec.image,
    ...(container === undefined ? {} : { digest: container.digest }),
    ...(container?.pid === undefined ? {} : { pid: container.pid }),
    exitCode: module.exitCode,
    restartCount: module.restartCount,
    ports: Object.fromEntries([...(container?.ports ?? [])].map(([port, at]) => [`${port}/tcp`, at])),
    log: container?.log.tail() ?? []
  }
}
