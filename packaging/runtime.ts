/*
 * How the module is run on a device, by the image's entry point and so by the benchmarks: a registry waits for disks and links, and
 * a gateway has other things to do with its memory.
 */

/** Node's own choice of a young generation is sixteen times as large, and mostly garbage; code that runs seldom is not kept compiled. */
export const nodeFlags = ['--max-semi-space-size=1', '--optimize-for-size'] as const

/** glibc gives each thread up to eight heaps of its own, and returns little of them. */
export const nodeVariables = { MALLOC_ARENA_MAX: '2' } as const
