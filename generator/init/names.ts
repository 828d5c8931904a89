/* By themselves, so that the command line knows them without loading what they are for. */

/** How clients on the network reach a device's registry. */
export const clientWays = ['api-proxy', 'tls', 'http'] as const
export type ClientWay = (typeof clientWays)[number]

export const modes = ['ReadOnly', 'ReadWrite'] as const
