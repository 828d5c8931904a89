/** The four filters that IoT Hub lets a module subscribe to (docs: iot-hub-mqtt-support). */
export const filters = {
  methods: '$iothub/methods/POST/#',
  twinResponses: '$iothub/twin/res/#',
  desired: '$iothub/twin/PATCH/properties/desired/#'
} as const

export function isAllowedFilter(filter: string, deviceId: string, moduleId: string): boolean {
  return (
    Object.values<string>(filters).includes(filter) || filter === `devices/${deviceId}/modules/${moduleId}/inputs/#`
  )
}

/** What a module said, by its topic. */
export type Said =
  | { readonly kind: 'get' | 'patch'; readonly requestId: string }
  | { readonly kind: 'methodAnswer'; readonly requestId: string; readonly status: number }
  | { readonly kind: 'message'; readonly properties: Readonly<Record<string, string>> }

export function readTopic(topic: string, deviceId: string, moduleId: string): Said | undefined {
  const events = `devices/${deviceId}/modules/${moduleId}/messages/events/`
  if (topic.startsWith(events)) {
    // The SDK ends the topic of an output message with a slash, and only that.
    const properties = new URLSearchParams(topic.slice(events.length).replace(/\/$/, ''))
    return { kind: 'message', properties: Object.fromEntries(properties) }
  }
  const [path = '', query = ''] = topic.split('?', 2)
  const requestId = new URLSearchParams(query).get('$rid')
  if (requestId === null) return undefined
  if (path === '$iothub/twin/GET/') return { kind: 'get', requestId }
  if (path === '$iothub/twin/PATCH/properties/reported/') return { kind: 'patch', requestId }
  const status = /^\$iothub\/methods\/res\/(\d+)\/$/.exec(path)?.[1]
  return status === undefined ? undefined : { kind: 'methodAnswer', requestId, status: Number(status) }
}
