import { createHash } from 'node:crypto'
import { html, Html } from './html.ts'
import { script } from './script.ts'
import type { SectionId, Sections } from './sections.ts'
import { style } from './style.ts'

const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** Nothing from elsewhere, and no script but this one: an image's name cannot become one. */
export const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src ${hash(style)}`,
  `script-src ${hash(script)}`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join('; ')

/** As the policy's hash has it, to the last space. */
const verbatim = (tag: string, text: string): Html => new Html(`<${tag}>${text}</${tag}>`)

const titles: readonly (readonly [SectionId, string, wide?: true])[] = [
  ['problems', 'What is wrong', true],
  ['under-way', 'On its way'],
  ['image-sets', 'Image sets'],
  ['schedule', 'Sync'],
  ['disk', 'Disk'],
  ['events', 'Last events', true]
]

/** The page as it is sent first; without scripts it loads itself anew twice a minute. */
export function drawDocument(name: string, sections: Sections): string {
  const part = (id: SectionId): Html => new Html(sections[id])
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${name}: connected registry</title>
        <link rel="icon" href="data:," />
        ${verbatim('style', style)}
        <noscript><meta http-equiv="refresh" content="30" /></noscript>
      </head>
      <body>
        <header>
          <h1>${name}</h1>
          <div id="stale" role="alert" hidden>
            This device is not reached just now. What stands here is what was so before.
          </div>
        </header>
        <main>
          <section class="wide" aria-label="State"><div id="state" role="status">${part('state')}</div></section>
          ${titles.map(
            ([id, title, wide]) =>
              html`<section class="${wide === true ? 'wide' : ''}" aria-labelledby="${id}-title">
                <h2 id="${id}-title">${title}</h2>
                <div id="${id}">${part(id)}</div>
              </section> `
          )}
        </main>
        <footer><p id="age">${part('age')}</p></footer>
        ${verbatim('script', script)}
      </body>
    </html> `.text
}

/** What somebody sees who may not see the page. */
export function drawRefusal(title: string, message: string): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <link rel="icon" href="data:," />
        ${verbatim('style', style)}
      </head>
      <body>
        <main>
          <section class="wide">
            <h1>${title}</h1>
            <p>${message}</p>
          </section>
        </main>
      </body>
    </html> `.text
}
