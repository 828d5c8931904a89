/** Something wrong with a site file that only shows when its parts are seen together. */
export interface SiteProblem {
  readonly path: readonly PropertyKey[]
  readonly message: string
}
