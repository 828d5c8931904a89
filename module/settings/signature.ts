import { createPublicKey } from 'node:crypto'
import { z } from 'zod'

/** What cosign makes, or imports. */
const keyTypes = ['ec', 'ed25519', 'rsa']

const publicKey = z.string().superRefine((pem, context) => {
  const message = whyNoKey(pem)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

/** What images must be signed with before they are served. */
export const signature = z.strictObject({
  cosign: z
    .strictObject({
      publicKeys: z
        .array(publicKey)
        .min(1)
        .max(10)
        .describe('PEM (cosign.pub); one of them must have made a signature of the image')
    })
    .describe(
      'Signatures made by cosign with a key, verified offline: its bundles, and the older sha256-<digest>.sig tags'
    )
})

function whyNoKey(pem: string): string | undefined {
  // Node takes a private key for its public half: none belongs into settings that a whole fleet reads.
  if (/PRIVATE KEY/.test(pem)) return 'is a private key: keep that secret, and give the public one (cosign public-key)'
  try {
    const { asymmetricKeyType } = createPublicKey(pem)
    if (asymmetricKeyType !== undefined && keyTypes.includes(asymmetricKeyType)) return undefined
    return `must be a key of ECDSA, Ed25519 or RSA, not of ${asymmetricKeyType ?? 'an unknown kind'}`
  } catch {
    return 'must be a public key in PEM: -----BEGIN PUBLIC KEY----- and so on, as in cosign.pub'
  }
}
