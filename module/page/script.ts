/**
 * What makes the page live, in the browser: takes in the parts that changed, keeps what the reader has opened and where the
 * focus is, and says so when the device is not reached: also where the link went silent, which closes nothing. Without it the page
 * loads itself anew.
 */
export const script = `
'use strict'
const stale = document.getElementById('stale')
const local = (root) => {
  for (const time of root.querySelectorAll('time'))
    time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })
}
const replace = (id, html) => {
  const part = document.getElementById(id)
  if (part === null) return
  const open = new Set([...part.querySelectorAll('details[open]')].map((each) => each.id))
  const focused = document.activeElement?.closest('#' + id + ' details')?.id
  part.innerHTML = html
  for (const each of part.querySelectorAll('details')) each.open = open.has(each.id)
  if (focused) document.getElementById(focused)?.querySelector('summary')?.focus({ preventScroll: true })
  local(part)
}
local(document)
let timer
const after = (milliseconds, work) => {
  clearTimeout(timer)
  timer = setTimeout(work, milliseconds)
}
const follow = () => {
  const source = new EventSource('events')
  // Two signs of life did not come. What is open may be dead and not know it.
  const listen = () =>
    after(45000, () => {
      stale.hidden = false
      source.close()
      follow()
    })
  listen()
  source.addEventListener('sections', (event) => {
    stale.hidden = true
    listen()
    for (const [id, html] of Object.entries(JSON.parse(event.data))) replace(id, html)
  })
  source.addEventListener('error', () => {
    stale.hidden = false
    // Refused rather than cut off: the browser does not try again by itself, and a login may be asked for.
    if (source.readyState === EventSource.CLOSED) after(30000, again)
  })
}
// Not where a proxy answers in the place of the device: its error page knows less than this one, and does not come back.
const again = async () => {
  const options = { method: 'HEAD', cache: 'no-store', credentials: 'omit', signal: AbortSignal.timeout(15000) }
  const answer = await fetch(location.href, options).catch(() => undefined)
  if (answer === undefined || answer.status >= 500) after(30000, again)
  else location.reload()
}
follow()
`
