import assert from 'node:assert/strict'
import { once } from 'node:events'
import http, { type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { LineLog } from '../log/log.ts'
import { digestOf } from '../oci/digest.ts'
import { parseRepository, parseTag } from '../oci/name.ts'
import { CredentialChoice, fingerprintOf, type TakenCredential } from './credentials.ts'
import { createParent, type Parent } from './parent.ts'

const desired = { tokenName: 'sync-token', password: 'in the twin' }
const connection = { tokenName: 'sync-token', password: 'in the connection string' }
const repository = parseRepository('samples/web')
const digest = digestOf('manifest')

describe('parent: credentials', () => {
  const cleanUps: (() => Promise<unknown>)[] = []
  const taken: TakenCredential[] = []
  /** Passwords that the parent takes. */
  const right = new Set<string>()
  let asked: string[]

  beforeEach(() => {
    taken.length = 0
    right.clear()
    asked = []
  })
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
  })

  async function serve(listener: RequestListener): Promise<string> {
    const server = http.createServer(listener)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    cleanUps.push(async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  function client(origin: string, others: readonly (typeof connection)[] = [connection]): Parent {
    const parent = createParent({
      origin,
      ...desired,
      otherCredentials: others[0],
      onCredential: (credential) => taken.push(credential),
      userAgent: 'causeway-test',
      log: new LineLog(() => undefined)
    })
    cleanUps.push(() => parent.close())
    return parent
  }

  function passwordIn(authorization: string | undefined): string {
    return (
      Buffer.from((authorization ?? '').replace('Basic ', ''), 'base64')
        .toString()
        .split(':')[1] ?? ''
    )
  }

  /** Registries with a token endpoint, and those that want a password each time. */
  const registries: Readonly<Record<string, () => Promise<string>>> = {
    Bearer: () =>
      serve((request, response) => {
        if (request.url?.startsWith('/token') === true) {
          const password = passwordIn(request.headers.authorization)
          asked.push(password)
          if (right.has(password))
            response.end(JSON.stringify({ access_token: `for.${asked.length}`, expires_in: 3600 }))
          else response.writeHead(401).end()
        } else if (request.headers.authorization?.startsWith('Bearer for.') === true)
          response.writeHead(200, { 'docker-content-digest': digest }).end()
        else
          response
            .writeHead(401, {
              'www-authenticate': `Bearer realm="http://${request.headers.host ?? ''}/token",scope="x"`
            })
            .end()
      }),
    Basic: () =>
      serve((request, response) => {
        if (request.headers.authorization !== undefined) asked.push(passwordIn(request.headers.authorization))
        if (right.has(passwordIn(request.headers.authorization)))
          response.writeHead(200, { 'docker-content-digest': digest }).end()
        else response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' }).end()
      })
  }

  for (const [kind, start] of Object.entries(registries))
    describe(`where the parent asks for ${kind}`, () => {
      const ask = (parent: Parent, tag = '1.0') => parent.head(repository, parseTag(tag))

      it('uses the preferred one and tells which was taken, not what it is', async () => {
        right.add(desired.password).add(connection.password)
        const parent = client(await start())
        await ask(parent)
        assert.deepEqual([...new Set(asked)], [desired.password])
        assert.deepEqual(
          taken.map(({ tokenName, fingerprint }) => [tokenName, fingerprint]),
          [['sync-token', fingerprintOf(desired)]]
        )
        assert.match(taken[0]?.fingerprint ?? '', /^[0-9a-f]{12}$/)
        assert.ok(Date.parse(taken[0]?.succeededAt ?? '') <= Date.now())
      })

      it('tries the other one before it gives up, and stays with it', async () => {
        right.add(connection.password)
        const parent = client(await start())
        await ask(parent)
        await ask(parent, '2.0')
        assert.equal(asked.filter((password) => password === desired.password).length, 1)
        assert.deepEqual(
          taken.map(({ fingerprint }) => fingerprint),
          [fingerprintOf(connection)]
        )
      })

      it('says so where both are refused, and begins with the preferred one the next time', async () => {
        const parent = client(await start())
        await assert.rejects(ask(parent), { code: 'PARENT_UNAUTHORIZED', message: /refuses token sync-token/ })
        assert.deepEqual(asked, [desired.password, connection.password])
        right.add(desired.password)
        await ask(parent)
        assert.deepEqual(asked[2], desired.password)
        assert.equal(taken.length, 1)
      })

      it('has nothing else to try where there is only one', async () => {
        const parent = client(await start(), [])
        await assert.rejects(ask(parent), { code: 'PARENT_UNAUTHORIZED' })
        assert.deepEqual(asked, [desired.password])
      })

      it('goes on where several requests are refused at once', async () => {
        right.add(connection.password)
        const parent = client(await start())
        await Promise.all(['1', '2', '3', '4'].map((tag) => ask(parent, tag)))
        assert.equal(new Set(asked).size, 2)
      })
    })

  it('change when the one in use is refused, whoever notices first', () => {
    const choice = new CredentialChoice([desired, connection])
    assert.equal(choice.refuse(desired), true)
    assert.equal(choice.refuse(desired), true, 'somebody else has noticed already')
    assert.equal(choice.current, connection)
    choice.take(connection)
    assert.equal(choice.refuse(connection), true, 'the first one may have been mended meanwhile')
    assert.equal(choice.current, desired)
    assert.equal(choice.refuse(desired), false)
    assert.equal(choice.current, desired)
    assert.equal(new CredentialChoice([]).current, undefined)
  })
})
