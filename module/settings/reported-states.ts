/*
 * What the reported properties call things, apart from their schema: the module writes them by these words, and making a schema
 * that only readers need would be part of every start.
 */

/** Where an image stands. `ready` means that every byte is here and verified. */
export const imageStates = ['failed', 'pending', 'syncing', 'ready'] as const
export type ImageState = (typeof imageStates)[number]

/** Microsoft's names, so that dashboards made for its connected registry go on working. */
export const connectionStates = ['Online', 'Offline', 'Syncing', 'Unhealthy'] as const
export type ConnectionState = (typeof connectionStates)[number]
