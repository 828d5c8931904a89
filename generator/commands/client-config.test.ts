import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { CertificateAuthority } from '../../simulator/certificates.ts'
import { FakeAcr, runCommand, siteText, type CommandLine } from '../testing.ts'

interface Told {
  readonly registry: string
  readonly url: string
  readonly trust: string
  readonly token: string | null
  readonly warnings: readonly string[]
  readonly engines: readonly {
    readonly engine: string
    readonly login?: string
    readonly pull: string
    readonly pullThroughMirror?: string
    readonly notes: readonly string[]
    readonly files: readonly { readonly path: string; readonly content?: string }[]
  }[]
}

/** registries.yaml as k3s documents it (docs.k3s.io/installation/private-registry): a key it does not know, it passes over. */
const k3sRegistries = z.strictObject({
  mirrors: z.record(
    z.string(),
    z.strictObject({
      endpoint: z.array(z.url({ protocol: /^https?$/ })).min(1),
      rewrite: z.record(z.string(), z.string()).optional()
    })
  ),
  configs: z
    .record(
      z.string().regex(/^[^/]+$/),
      z.strictObject({
        auth: z.strictObject({ username: z.string(), password: z.string() }).optional(),
        tls: z
          .strictObject({
            ca_file: z.string().startsWith('/').optional(),
            cert_file: z.string().optional(),
            key_file: z.string().optional(),
            insecure_skip_verify: z.boolean().optional()
          })
          .optional()
      })
    )
    .optional()
})

describe('causeway client-config', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-client-config-'))
    await site()
  })
  afterEach(() => rm(folder, { recursive: true }))

  const site = (device = '', rest = ''): Promise<void> =>
    writeFile(
      join(folder, 'site.yaml'),
      siteText(`  gateway: { connectedRegistry: { name: plantgateway }${device === '' ? '' : `, ${device}`} }`, rest)
    )
  const run = (words: string, acr?: FakeAcr): Promise<CommandLine> =>
    runCommand(['client-config', ...words.split(' ').filter((word) => word !== '')], {
      folder,
      ...(acr === undefined ? {} : { acr })
    })
  async function told(words: string): Promise<Told> {
    const { code, stdout, stderr } = await run(`${words} --output json`)
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout) as Told
  }
  const contentOf = ({ engines }: Told, path: string): string | undefined =>
    engines.flatMap(({ files }) => files).find((file) => file.path === path)?.content

  const tls = (source: string): string => `settings: { registry: { tls: ${source} } }`
  const files = '{ source: files, certificate: /c.pem, key: /k.pem }'
  for (const [title, device, words, url, trust, warnings] of [
    [
      'the API proxy, for the network',
      'hostName: gw.plant.example',
      '',
      'https://gw.plant.example:8000',
      'iot-edge',
      0
    ],
    ["the device's own port, on the device itself", '', '--host 127.0.0.1', 'http://127.0.0.1:8080', 'nobody', 0],
    ['a port of its own', 'port: 5000', '--host localhost', 'http://localhost:5000', 'nobody', 0],
    ['another port in between', '', '--host gw --port 443', 'https://gw:443', 'iot-edge', 0],
    [
      'a certificate from IoT Edge',
      `hostName: gw, ${tls('{ source: workload }')}`,
      '--through registry',
      'https://gw:8080',
      'iot-edge',
      1
    ],
    [
      'a certificate from files',
      `hostName: gw, ${tls(files)}`,
      '--through registry',
      'https://gw:8080',
      'own-certificate',
      1
    ],
    ['plain HTTP over the network', 'hostName: gw', '--through registry', 'http://gw:8080', 'nobody', 3],
    ['another name than the certificate has', 'hostName: gw', '--host other', 'https://other:8000', 'iot-edge', 1],
    ['an address, where a certificate has a name', '', '--host 10.0.0.5', 'https://10.0.0.5:8000', 'iot-edge', 1]
  ] as const)
    it(`knows ${title}`, async () => {
      await site(device)
      const found = await told(words)
      assert.deepEqual([found.url, found.trust, found.token], [url, trust, 'plant-client'])
      assert.equal(found.warnings.length, warnings, found.warnings.join('\n'))
      for (const warning of found.warnings) assert.ok((await run(words)).stderr.includes(`warning: ${warning}\n`))
      const [insecure] = [contentOf(found, '/etc/docker/daemon.json')]
      const isInsecure = url.startsWith('http:') && !/127|localhost/.test(url)
      assert.equal(insecure !== undefined, isInsecure, 'docker is told of what is insecure, and of nothing else')
      const registries = contentOf(found, '/etc/rancher/k3s/registries.yaml') ?? ''
      const k3s = k3sRegistries.parse(parse(registries))
      for (const name of [found.registry, 'mycontainerregistry001.azurecr.io'])
        assert.deepEqual(k3s.mirrors[name]?.endpoint, [url])
      assert.equal(k3s.configs?.[found.registry]?.tls !== undefined, trust === 'iot-edge')
    })

  it('tells the engines that are asked for, with an image that is there and may be read', async () => {
    const { engines } = await told('--host gw --engine podman --engine docker')
    assert.deepEqual(
      engines.map(({ engine }) => engine),
      ['docker', 'podman']
    )
    assert.equal(engines[0]?.login, 'docker login gw:8000 --username plant-client --password-stdin')
    assert.equal(engines[0].pull, 'docker pull gw:8000/hello-world:TAG')
    assert.equal(engines[1]?.pullThroughMirror, 'podman pull mycontainerregistry001.azurecr.io/hello-world:TAG')
    assert.match(
      (await run('--host gw --engine docker')).stdout,
      /^log in: {2}causeway secrets show plant-client \| docker login gw:8000 /m
    )
  })

  it('mirrors what it is told to, or nothing', async () => {
    const none = await told('--host gw --no-mirror --engine podman')
    assert.deepEqual(none.engines[0]?.files, [])
    const hub = await told('--host gw --mirror docker.io')
    assert.match(
      contentOf(hub, '/etc/containerd/certs.d/docker.io/hosts.toml') ?? '',
      /^server = "https:\/\/registry-1\.docker\.io"$/m
    )
    assert.deepEqual(JSON.parse(contentOf(hub, '/etc/docker/daemon.json') ?? ''), {
      'registry-mirrors': ['https://gw:8000']
    })
    assert.ok(hub.engines[0]?.notes.some((note) => note.includes('sends mirrors no credentials')))
    // docker.io/hello-world is library/hello-world, which this device does not have.
    assert.ok(hub.engines.every(({ pullThroughMirror }) => pullThroughMirror === undefined))
  })

  it('needs no token where everybody may pull, and none for whom nobody may', async () => {
    const nobody = 'tokens: []'
    await site(nobody)
    assert.match((await run('--host gw')).stderr, /^error USAGE: nobody can pull from gateway/)
    await site(`${nobody}, settings: { anonymousPull: { enabled: true } }`)
    const { token, engines } = await told('--host gw')
    assert.equal(token, null)
    assert.ok(engines.every(({ login }) => login === undefined))
  })

  for (const [words, reason] of [
    ['', /say with --host what clients call gateway/],
    ['--host gw --token nobody', /gateway has no client token nobody; it has plant-client/],
    ['--host gw/evil', /--host takes/],
    ['--host gw --mirror https://docker.io', /--mirror takes/],
    ['--host gw --engine rkt', /Allowed choices are docker/],
    ['--host gw --port 0', /a port, 1 to 65535/],
    ['--host gw --with-password', /say where with --write/],
    ['--host gw --ca site.yaml', /CERTIFICATE_INVALID: site\.yaml is no certificate in PEM/],
    ['--host gw --ca none.pem', /CERTIFICATE_UNREADABLE/]
  ] as const)
    it(`refuses ${words === '' ? 'to guess a host' : words}`, async () => {
      const { code, stdout, stderr } = await run(words)
      assert.notEqual(code, 0)
      assert.equal(stdout, '')
      assert.match(stderr, reason)
    })

  it('writes all its files, and goes over none that is there and says something else', async () => {
    const authority = await CertificateAuthority.create()
    await writeFile(join(folder, 'ca.pem'), authority.certificate)
    const words = '--host gw --ca ca.pem --write out'
    await mkdir(join(folder, 'out/etc/rancher/k3s'), { recursive: true })
    const taken = join(folder, 'out/etc/rancher/k3s/registries.yaml')
    await writeFile(taken, 'mirrors: {}\n')
    const refused = await run(words)
    assert.equal(refused.code, 5)
    assert.match(refused.stderr, /error OUTPUT_EXISTS: .*registries\.yaml is there already/)
    await assert.rejects(stat(join(folder, 'out/etc/docker')), 'the others were not written either')
    const forced = await run(`${words} --force`)
    assert.equal(forced.code, 0, forced.stderr)
    const certificate = join(folder, 'out/etc/docker/certs.d/gw:8000/ca.crt')
    assert.equal((await readFile(certificate, 'utf8')).trim(), authority.certificate.trim())
    assert.match(await readFile(taken, 'utf8'), /gw:8000/)
    const again = await run(words)
    assert.equal(again.code, 0, again.stderr)
    assert.doesNotMatch(again.stderr, /^wrote/m)
    await writeFile(join(folder, 'both.pem'), '-----BEGIN PRIVATE KEY-----\n')
    assert.match((await run('--host gw --ca both.pem')).stderr, /holds a private key/)
  })

  it('shows a password to nobody, keeps it in files of 0600, and not where git takes it', async () => {
    const acr = new FakeAcr()
    assert.equal((await runCommand(['provision'], { folder, acr })).code, 0)
    const password = (await runCommand(['secrets', 'show', 'plant-client'], { folder })).stdout.trim()
    const { code, stdout, stderr } = await run('--host gw --with-password --write out')
    assert.equal(code, 0, stderr)
    const header = Buffer.from(`plant-client:${password}`).toString('base64')
    for (const secret of [password, header]) assert.ok(!stdout.includes(secret) && !stderr.includes(secret))
    for (const [path, secret] of [
      ['out/etc/rancher/k3s/registries.yaml', password],
      ['out/etc/containerd/certs.d/gw:8000/hosts.toml', header]
    ] as const) {
      assert.ok((await readFile(join(folder, path), 'utf8')).includes(secret))
      assert.equal((await stat(join(folder, path))).mode & 0o777, 0o600)
    }
    assert.match(
      (await run('--host gw --with-password --write out --engine docker')).stderr,
      /a login is kept by docker itself/
    )
    await mkdir(join(folder, '.git'))
    const inGit = await run('--host gw --with-password --write other')
    assert.match(inGit.stderr, /^error OUTPUT_IN_GIT/m)
    await assert.rejects(stat(join(folder, 'other')))
  })
})
