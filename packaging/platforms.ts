/** IoT Edge's names of platforms, as Node names them. */
export const platforms = { amd64: 'x64', arm64v8: 'arm64', arm32v7: 'arm' } as const
export type Platform = keyof typeof platforms

/** As container engines name them. */
export const platformNames: Readonly<Record<Platform, string>> = {
  amd64: 'linux/amd64',
  arm64v8: 'linux/arm64',
  arm32v7: 'linux/arm/v7'
}

export function isPlatform(name: string): name is Platform {
  return Object.hasOwn(platforms, name)
}

/** This machine's, or the usual one where no image is made for it. */
export function platformHere(): Platform {
  return (Object.keys(platforms) as Platform[]).find((name) => platforms[name] === process.arch) ?? 'amd64'
}
