/** By themselves, so that the command line knows them without loading their functions. */
export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]
