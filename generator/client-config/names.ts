/* By themselves, so that the command line knows them without loading what they are for. */

export const engineNames = ['docker', 'podman', 'containerd', 'k3s'] as const
export type EngineName = (typeof engineNames)[number]

/** Which door a client takes: `api-proxy` is IoT Edge's, by TLS; `registry` the module's own port. */
export const doors = ['api-proxy', 'registry'] as const
export type Door = (typeof doors)[number]
