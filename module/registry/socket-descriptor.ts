import type { Socket } from 'node:net'

interface Handle {
  readonly fd?: number
  readonly reading?: boolean
}

/** A socket's descriptor; Node has no public name for it. @returns undefined where there is none */
export function descriptorOf(socket: Socket): number | undefined {
  const fd = handleOf(socket)?.fd
  return typeof fd === 'number' && fd >= 0 ? fd : undefined
}

/** Whether Node takes bytes from the socket as they come; with a paused stream it may still do so. */
export function isRead(socket: Socket): boolean {
  return handleOf(socket)?.reading !== false
}

function handleOf(socket: Socket): Handle | null | undefined {
  return (socket as Socket & { readonly _handle?: Handle | null })._handle
}
