/** How many arguments each function of edgeHub's routes takes, least and most (ConditionVisitor.cs, the Executors of its builtins). */
const functions: ReadonlyMap<string, readonly [least: number, most: number]> = new Map([
  ...one('abs', 'exp', 'square', 'ceiling', 'floor', 'sign', 'sqrt'),
  ...one('as_number', 'is_bool', 'is_defined', 'is_null', 'is_number', 'is_string', 'length', 'lower', 'upper'),
  ['power', [2, 2]],
  ['concat', [2, Infinity]],
  ['substring', [2, 3]],
  ['index_of', [2, 2]],
  ['starts_with', [2, 2]],
  ['ends_with', [2, 2]],
  ['contains', [2, 2]]
])

/** @returns what edgeHub's compiler has against a call; undefined where it has nothing. Names in any case. */
export function refusedCall(name: string, count: number): string | undefined {
  const known = name.toLowerCase()
  // Its list has this one too, for the sources of IoT Hub's own routes, and RouteFactory.cs makes none of those.
  if (known === 'twin_change_includes') return `${name} is a function of IoT Hub's routes, and not of edgeHub's`
  const counts = functions.get(known)
  if (counts === undefined) {
    const meant = [...functions.keys()].find((each) => bare(each) === bare(known))
    return `edgeHub has no function ${name}${meant === undefined ? '' : `; did you mean ${meant}?`}`
  }
  const [least, most] = counts
  if (count >= least && count <= most) return undefined
  const takes = most === least ? String(least) : most === Infinity ? `${least} or more` : `${least} or ${most}`
  return `${name} takes ${takes} ${takes === '1' ? 'argument' : 'arguments'}, and has ${count}`
}

function one(...names: readonly string[]): [string, readonly [number, number]][] {
  return names.map((name) => [name, [1, 1]])
}

/** `startsWith`, `STARTSWITH` and `starts_with` are meant alike. */
function bare(name: string): string {
  return name.replaceAll('_', '')
}
