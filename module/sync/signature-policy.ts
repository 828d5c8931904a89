/** What an image must be signed with: for each of the sets that demand it, by one of its keys (PEM). */
export type SignaturePolicy = readonly (readonly string[])[]

/** What both demand, each demand once. */
export function unionOfPolicies(one: SignaturePolicy, other: SignaturePolicy): SignaturePolicy {
  const demands = new Map([...one, ...other].map((keys) => [JSON.stringify(keys), keys]))
  return [...demands].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, keys]) => keys)
}
