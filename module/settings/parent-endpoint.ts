const parentVariable = '$IOTEDGE_PARENTHOSTNAME'

/** Whether a text is `host` or `host:port`; `$IOTEDGE_PARENTHOSTNAME` counts as a host. */
export function isEndpoint(text: string): boolean {
  return /^[^\s/@?#]+$/.test(text) && URL.canParse(`https://${text.replaceAll(parentVariable, 'parent')}`)
}

/**
 * The endpoint with the parent's name filled in.
 *
 * @param parentHostName `IOTEDGE_PARENTHOSTNAME`, which IoT Edge gives to modules of nested devices and does not itself
 *   expand in other variables
 */
export function expandEndpoint(endpoint: string, parentHostName: string | undefined): string {
  return parentHostName === undefined ? endpoint : endpoint.replaceAll(parentVariable, parentHostName)
}

/**
 * Why nothing can be reached by an endpoint, to go on after what it was given as; undefined where something may be. The text
 * itself is never told: of a connection string that lacks a semicolon it may hold the password.
 */
export function endpointProblem(endpoint: string, parentHostName: string | undefined): string | undefined {
  if (!isEndpoint(endpoint))
    return `must be host or host:port, such as myregistry.westus2.data.azurecr.io or ${parentVariable}:8000`
  if (!endpoint.includes(parentVariable)) return undefined
  if (parentHostName === undefined)
    return `names ${parentVariable}, which is not set here: IoT Edge sets it where config.toml has parent_hostname; give the parent's host itself`
  return isEndpoint(expandEndpoint(endpoint, parentHostName))
    ? undefined
    : `names ${parentVariable}, and what that is set to is no host`
}
