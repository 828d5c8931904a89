/*
 * How the module is run on a device, by the image's entry point and so by the benchmarks: a registry waits for disks and links, and
 * a gateway has other things to do with its memory.
 */

/**
 * Node's own choice of a young generation is sixteen times as large, and mostly garbage. (`--optimize-for-size` would save another
 * tenth of the memory, and doubles what a small request costs.) What the module sets once it serves is in module/memory.ts.
 */
export const nodeFlags = ['--max-semi-space-size=1'] as const

/** glibc gives each thread up to eight heaps of its own, and returns little of them. */
export const nodeVariables = { MALLOC_ARENA_MAX: '2' } as const
