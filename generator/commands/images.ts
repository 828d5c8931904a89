import { importImage, importsOf } from '../acr/imports.ts'
import type { CommonOptions, Context } from '../context.ts'
import { outcomeWriter, type OutcomeStyle } from '../output/outcomes.ts'

export interface ImagesImportOptions extends CommonOptions {
  readonly force?: boolean
  readonly output: OutcomeStyle
}

/** Brings the runtime's images, and those the site file names, into the cloud registry. */
export async function imagesImport(context: Context, options: ImagesImportOptions): Promise<void> {
  const site = await context.site()
  const images = importsOf(site, options.force === true)
  const acr = await context.acr(site)
  const progress = await context.progress()
  const tell = outcomeWriter(options.output, context.stdout, progress)
  const task = progress.begin('importing images', images.length)
  try {
    for (const [index, image] of images.entries()) {
      task.advance(index, image.target)
      tell(await importImage(acr, image))
    }
    task.end('done')
  } catch (error) {
    task.end('failed')
    throw error
  }
  progress.close()
  context.stderr.write(
    `${site.images.connectedRegistry} is Causeway itself: push it to ${site.loginServer} where it is not there yet\n`
  )
}
