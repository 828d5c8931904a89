import { isRepository } from '../oci/name.ts'
import { everybody, type PageFacts, type PageImage, type Viewer } from './facts.ts'
import { html, type Html } from './html.ts'
import { about, bytes, counted, moment } from './words.ts'

/** The parts of the page that change by themselves, by the id of the element that holds each. */
export type Sections = Readonly<Record<SectionId, string>>

export const sectionIds = ['state', 'problems', 'under-way', 'image-sets', 'schedule', 'disk', 'events', 'age'] as const
export type SectionId = (typeof sectionIds)[number]

/** A phone shows a screen or two of them; the direct method `images` pages through all. */
const mostOfAKind = 50
const mostEvents = 20

/** Draws every part for somebody. */
export function drawSections(facts: PageFacts, viewer: Viewer): Sections {
  const images = facts.images.filter(({ image }) => maySee(viewer, image))
  const drawn: Readonly<Record<SectionId, Html>> = {
    state: html`<p><strong>${badge(facts)}</strong> ${sentence(facts)}</p>`,
    problems: problems(facts, images, viewer),
    'under-way': underWay(facts, images),
    'image-sets': imageSets(facts, images),
    schedule: schedule(facts),
    disk: disk(facts),
    events: events(facts, viewer),
    age: html`Causeway ${facts.report.runtime.version}, up since ${moment(facts.report.runtime.startedAt)}. This is how
    it was at ${moment(facts.now.toISOString())}.`
  }
  return Object.fromEntries(sectionIds.map((id) => [id, drawn[id].text])) as Record<SectionId, string>
}

/** What stands for repositories that could not be listed names none; a client token is not told of it. */
function maySee(viewer: Viewer, image: string): boolean {
  const repository = image.split(/[:@]/, 1)[0] ?? ''
  return isRepository(repository) ? viewer.may('list', repository) : viewer === everybody
}

const words = {
  Online: ['In sync', 'good'],
  Syncing: ['Syncing', 'busy'],
  Offline: ['Offline', 'warn'],
  Unhealthy: ['Needs attention', 'bad']
} as const

function badge({ report }: PageFacts): Html {
  const { imagesReady = 0, imagesTotal = 0 } = report.progress ?? {}
  const [word, tone] =
    report.paused !== undefined
      ? (['Paused', 'warn'] as const)
      : report.connectionState === 'Online' && imagesReady < imagesTotal
        ? (['Not in sync yet', 'warn'] as const)
        : words[report.connectionState]
  return html`<span class="badge ${tone}">${word}</span>`
}

/** Without figures that tick, so that a screen reader says it again only where something changed. */
function sentence({ report }: PageFacts): string {
  const { imagesReady = 0, imagesTotal = 0 } = report.progress ?? {}
  if (report.lastDesiredStatus?.code === 417) return 'There are no settings for this device yet.'
  const ready =
    imagesTotal === 0
      ? 'No image is wanted here.'
      : imagesReady === imagesTotal
        ? `${imagesTotal === 1 ? 'The one wanted image is' : `All ${imagesTotal} wanted images are`} here and verified.`
        : `${imagesReady} of ${counted(imagesTotal, 'image')} ${imagesReady === 1 ? 'is' : 'are'} here and verified.`
  if (report.paused !== undefined) return `Sync is paused by hand. ${ready}`
  if (report.connectionState === 'Offline') return `The parent is not reached. ${ready} What is here is served.`
  return ready
}

function problems({ report }: PageFacts, images: readonly PageImage[], viewer: Viewer): Html {
  const failed = images.filter(({ state }) => state === 'failed')
  const faults = report.statusDetails ?? []
  const { code, description, errors = [] } = report.lastDesiredStatus ?? {}
  const refused = code === 400
  if (faults.length + failed.length === 0 && !refused) return html`<p>Nothing is wrong.</p>`
  return html`<ul>
      ${
        refused &&
        html`<li>
          <strong>Settings refused</strong> ${description} The last good settings stay in force.
          ${
            errors.length > 0 &&
            html`<ul>
              ${errors.map(({ path, reason }) => html`<li><code>${path}</code> ${reason}</li>`)}
            </ul>`
          }
        </li>`
      }
      ${faults.map(
        ({ type, code, description, timestamp, correlationId }) =>
          html`<li>
            <strong>${code}</strong> ${type !== 'Parent' || viewer.mayEverywhere('list') ? description : withheld}
            <small
              >since
              ${moment(timestamp)}${correlationId !== undefined && html`, correlation id <code>${correlationId}</code>`}</small
            >
          </li>`
      )}
      ${failed
        .slice(0, mostOfAKind)
        .map(({ image, reason }) => html`<li><code>${image}</code> ${reason ?? 'could not be brought'}</li>`)}
      ${more(failed.length)}
    </ul>
    ${failed.length > 0 && report.sync?.nextAt !== undefined && html`<p>It is tried again at ${moment(report.sync.nextAt)}.</p>`}`
}

/** The parent's own words may name any repository, and the sync token. */
const withheld = 'The log says why, and so does this page to client tokens that may list every repository.'

function underWay({ report }: PageFacts, images: readonly PageImage[]): Html {
  const coming = images.filter(({ state }) => state === 'syncing')
  const waiting = images.filter(({ state }) => state === 'pending')
  const { bytesDone = 0, bytesTotal = 0, bytesPerSecond, secondsLeft } = report.progress ?? {}
  if (coming.length + waiting.length === 0) return html`<p>Nothing is on its way.</p>`
  return html`<p>
      ${bytes(bytesDone)} of ${bytes(bytesTotal)} are
      here${bytesPerSecond !== undefined && `, at ${bytes(bytesPerSecond)} a second`}${secondsLeft !== undefined && `, ${about(secondsLeft)} to go`}.
    </p>
    <ul>
      ${coming.slice(0, mostOfAKind).map((image) => html`<li>${transfer(image)}</li>`)} ${more(coming.length)}
    </ul>
    ${waiting.length > 0 && html`<p>${counted(waiting.length, 'image')} ${waiting.length === 1 ? 'waits for its' : 'wait for their'} turn.</p>`}`
}

function transfer({ image, bytesDone = 0, bytesTotal }: PageImage): Html {
  if (bytesTotal === undefined) return html`<code>${image}</code>`
  const text = `${bytes(bytesDone)} of ${bytes(bytesTotal)}`
  return html`<code>${image}</code>
    <progress value="${bytesDone}" max="${Math.max(bytesTotal, 1)}" aria-label="${image}">${text}</progress>
    <small>${text}</small>`
}

function imageSets({ report }: PageFacts, images: readonly PageImage[]): Html {
  const sets = Object.entries(report.imageSets ?? {}).sort(([one], [other]) => (one < other ? -1 : 1))
  if (sets.length === 0) return html`<p>The settings name no image set.</p>`
  return html`${sets.map(([name, { ready, total, failed = 0 }]) => {
    const own = images.filter(({ imageSets }) => imageSets?.includes(name) === true)
    return html`<details id="set-${name}">
      <summary>
        <span>${name}</span>
        <span class="${failed > 0 ? 'bad' : ready === total ? 'good' : 'busy'}"
          >${ready === total ? 'ready' : `${ready} of ${total} ready`}${failed > 0 && `, ${failed} failed`}</span
        >
      </summary>
      <ul>
        ${own.slice(0, mostOfAKind).map(({ image, state }) => html`<li><code>${image}</code> ${states[state]}</li>`)}
        ${more(own.length)}
      </ul>
    </details>`
  })}
  ${(report.imageSetsOmitted ?? 0) > 0 && html`<p>${report.imageSetsOmitted} more image sets.</p>`}`
}

const states = { failed: 'failed', pending: 'waiting', syncing: 'on its way', ready: 'ready' } as const

function schedule({ report }: PageFacts): Html {
  const { state, startedAt, endedAt, succeededAt, nextAt, windowEndsAt, correlationId } = report.sync ?? {}
  const rows: readonly (readonly [string, Html | string] | undefined)[] = [
    state === 'Syncing' && startedAt !== undefined ? ['Syncing since', moment(startedAt)] : undefined,
    endedAt === undefined ? undefined : ['Last sync', html`${moment(endedAt)}, ${outcomes[state ?? 'Failed']}`],
    correlationId === undefined ? undefined : ['Its correlation id in the log', html`<code>${correlationId}</code>`],
    ['Everything was here', succeededAt === undefined ? 'not so far' : moment(succeededAt)],
    windowEndsAt === undefined ? undefined : ['The window is open until', moment(windowEndsAt)],
    nextAt === undefined ? undefined : ['Next sync', moment(nextAt)],
    report.paused === undefined
      ? undefined
      : [
          'Paused since',
          html`${moment(report.paused.since)}${report.paused.reason !== undefined && `: ${report.paused.reason}`}`
        ]
  ]
  return table(rows)
}

const outcomes = {
  Syncing: 'under way',
  Succeeded: 'brought everything',
  Failed: 'did not bring everything',
  TimedOut: 'ended with its window; the next one goes on from there'
} as const

function disk({ report }: PageFacts): Html {
  if (report.disk === undefined) return html`<p>Not measured yet.</p>`
  const { freeBytes, totalBytes, reserveBytes } = report.disk
  const used = totalBytes - freeBytes
  return html`<p>
    <meter
      min="0"
      max="${totalBytes}"
      high="${Math.max(totalBytes - 2 * reserveBytes, 0)}"
      value="${used}"
      aria-label="Disk in use"
    >
      ${bytes(used)} of ${bytes(totalBytes)}
    </meter>
    ${bytes(freeBytes)} of ${bytes(totalBytes)} are free; the last ${bytes(reserveBytes)} are never used.
  </p>`
}

function events(facts: PageFacts, viewer: Viewer): Html {
  const shown = facts.events.filter(({ image }) => image === undefined || maySee(viewer, image)).slice(0, mostEvents)
  if (shown.length === 0) return html`<p>Nothing has happened since the start.</p>`
  return html`<ol>
    ${shown.map(({ at, text, isBad, brief }) => html`<li class="${isBad === true ? 'bad' : ''}">${moment(at)} <span>${viewer.mayEverywhere('list') ? text : (brief ?? text)}</span></li>`)}
  </ol>`
}

function table(rows: readonly (readonly [string, Html | string] | undefined)[]): Html {
  return html`<dl>
    ${rows.map(
      (row) =>
        row !== undefined &&
        html`<div>
          <dt>${row[0]}</dt>
          <dd>${row[1]}</dd>
        </div>`
    )}
  </dl>`
}

function more(all: number): Html | undefined {
  return all > mostOfAKind ? html`<li>and ${all - mostOfAKind} more</li>` : undefined
}
