import type { Device, Relay } from './site.ts'

/* Apart from what else is told of a site: every command asks this, and `--version` must not wait for what the rest needs. */

export function hasRegistry(device: Device | Relay): device is Device {
  return 'registryName' in device
}

/** Whether anybody pulls the runtime of IoT Edge through this device. */
export function hasAnyBelow({ children, relays }: Pick<Device, 'children' | 'relays'>): boolean {
  return children.length > 0 || relays.length > 0
}
