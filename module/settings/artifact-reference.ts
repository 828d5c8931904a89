import { z } from 'zod'
import { isRepository } from '../oci/name.ts'

/** Which artifact in the parent a settings document goes on in. */
export const artifactReference = z.strictObject({
  repository: z
    .string()
    .refine(isRepository, { error: 'must be a repository name' })
    .describe('The repository in the parent that holds it'),
  digest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, { error: "must be the sha256 digest of the artifact's manifest" })
    .describe("The sha256 digest of the artifact's manifest")
})
