import { dirname, join } from 'node:path'
import { z } from 'zod'
import { SettingsError } from './errors.ts'
import { readIfPresent, syncFolder, writeDurably } from './durable-file.ts'

const schema = z.object({ version: z.number(), document: z.record(z.string(), z.unknown()) })

/** Settings that were accepted once, as they were given, with the version they came as. */
export type LastGood = z.output<typeof schema>

/**
 * Where the last accepted settings are kept, so that a device that starts without its hub serves and syncs as before.
 * The document may hold the parent's password: the file is 0600, and nothing of it is logged.
 */
export class LastGoodFile {
  readonly path: string
  /** What stands there. */
  #saved: string | undefined
  #isDamaged = false

  constructor(dataFolder: string) {
    this.path = join(dataFolder, 'settings.json')
  }

  /** Whether something stands there that is not what was saved, as {@link load} found it. */
  get isDamaged(): boolean {
    return this.#isDamaged
  }

  /**
   * What was saved last; undefined where nothing was, or where the file cannot be understood.
   *
   * @throws {SettingsError} `SETTINGS_FILE_UNREADABLE` where the disk does not give it
   */
  async load(): Promise<LastGood | undefined> {
    const text = await readIfPresent(this.path).catch((cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new SettingsError('SETTINGS_FILE_UNREADABLE', `${this.path} cannot be read: ${reason}`, { cause })
    })
    if (text === undefined) return undefined
    this.#saved = text
    const read = parsed(text)
    this.#isDamaged = read === undefined
    return read
  }

  async save(settings: LastGood): Promise<void> {
    const text = JSON.stringify(settings)
    // Each start is told the settings that it had. Whoever wrote them may have died before they were there for good.
    if (text === this.#saved) {
      await syncFolder(dirname(this.path))
      return
    }
    this.#saved = undefined
    await writeDurably(this.path, text)
    this.#saved = text
  }
}

function parsed(text: string): LastGood | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
