import { readFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { join, relative } from 'node:path'
import type { Plugin } from 'esbuild'

/**
 * Takes Node's own modules at run time by name. An ESM import of `node:http` or `node:crypto` reads every export to make its
 * facade, and one of them is `http.WebSocket`, behind which Node loads its whole fetch: 90 ms of a start. It also spares
 * CommonJS packages a `require` that ESM does not have. Each source has lines of its own for it: those that were shared by what
 * is loaded at once and what is loaded later would be a file, and finding and reading each file costs a start a millisecond.
 */
export const builtins: Plugin = {
  name: 'builtins',
  setup(build) {
    const names = builtinModules.map((name) => name.replaceAll('/', '\\/')).join('|')
    build.onResolve({ filter: new RegExp(`^(node:.*|(?:${names})\\/?)$`) }, ({ path, importer, kind }) =>
      // A slash at the end asks for the package of that name (`punycode/`), not for Node's.
      path.endsWith('/')
        ? {}
        : {
            path: path.replace(/^node:/, ''),
            suffix: `?${importer}`,
            namespace: kind === 'require-call' ? 'builtin-required' : 'builtin-imported',
            sideEffects: false
          }
    )
    build.onLoad({ filter: /.*/, namespace: 'builtin-required' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(`node:${path}`)})`,
      loader: 'js'
    }))
    build.onLoad({ filter: /.*/, namespace: 'builtin-imported' }, ({ path }) => ({
      contents: facade(`node:${path}`),
      loader: 'js'
    }))
  }
}

/** Modules of Node's that no start has a use for and that bring many others along: taken when a function of theirs is called. */
const whenCalled = new Set(['node:dns/promises', 'node:https', 'node:tls', 'node:v8', 'node:worker_threads'])

/** What is imported by name, each marked so that esbuild leaves out what is not: a module of Node's has up to a hundred names. */
function facade(name: string): string {
  const all = { ...process.getBuiltinModule(name) } as Readonly<Record<string, unknown>>
  const names = Object.keys(all).filter((each) => each !== 'default')
  const module = `process.getBuiltinModule(${JSON.stringify(name)})`
  const whole = whenCalled.has(name) ? `new Proxy({}, { get: (_, name) => ${module}[name] })` : module
  // A value cannot wait: whoever imports one takes its module at once.
  const waits = (each: string): boolean => whenCalled.has(name) && typeof all[each] === 'function'
  return [
    `const all = ${whole}`,
    'export default all',
    ...names.map((each, at) =>
      waits(each)
        ? `function name${at}(...given) { return new.target ? new all.${each}(...given) : all.${each}(...given) }`
        : `const name${at} = /* @__PURE__ */ (() => all[${JSON.stringify(each)}])()`
    ),
    `export { ${names.map((each, at) => `name${at} as ${each}`).join(', ')} }`
  ].join('\n')
}

/** Our own sources as a bundle needs them. */
export function ownSources(root: string): Plugin {
  return {
    name: 'own-sources',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (relative(root, path).includes('node_modules')) return undefined
        return { contents: asBundled(await readFile(path, 'utf8')), loader: 'ts' }
      })
      // What is in there beside these concerns development.
      build.onLoad({ filter: /\/package\.json$/ }, async ({ path }) => {
        if (path !== join(root, 'package.json')) return undefined
        const { name, version } = JSON.parse(await readFile(path, 'utf8')) as { name: string; version: string }
        return { contents: JSON.stringify({ name, version }), loader: 'json' }
      })
    }
  }
}

/**
 * Three things that differ in a bundle. Files that a source finds by their place (worker threads, the default template) lie
 * flat beside it. A namespace of zod is a value, which keeps all of zod, translations into fifty languages included; a
 * namespace import is none. And what is imported later has no named exports where it is CommonJS, as it has in Node.
 */
export function asBundled(source: string): string {
  return source
    .replaceAll(
      /new URL\((['`])(?:\.{1,2}\/)+(?:[\w-]+\/)*([^'`/]+)\1, import\.meta\.url\)/g,
      (_, quote: string, name: string) => `new URL(${quote}./${name.replace(/\.ts$/, '.js')}${quote}, import.meta.url)`
    )
    .replaceAll("import { z } from 'zod'", "import * as z from 'zod'")
    .replaceAll(
      /(?<!typeof )import\('([^.'][^']*)'\)/g,
      "import('$1').then((loaded) => Object.setPrototypeOf({ ...loaded }, loaded.default ?? null))"
    )
}

/** azure-iot-device asks for it where a device uploads files, which a module cannot; it is half of the SDK's bytes. */
export const withoutUploads: Plugin = {
  name: 'without-uploads',
  setup(build) {
    build.onResolve({ filter: /^@azure\/storage-blob$/ }, ({ path }) => ({ path, namespace: 'left-out' }))
    build.onLoad({ filter: /.*/, namespace: 'left-out' }, ({ path }) => ({
      contents: `throw new Error(${JSON.stringify(`${path} is not part of this build`)})`,
      loader: 'js'
    }))
  }
}

/**
 * Packages that are CommonJS, come to three dozen files, and are of use to few: run when the first of their functions is asked
 * for. Imported by their default alone.
 */
export const whenUsed: Plugin = {
  name: 'when-used',
  setup(build) {
    build.onResolve({ filter: /^semver$/ }, ({ path, kind, resolveDir, namespace }) =>
      kind === 'import-statement' && namespace === 'file'
        ? { path, namespace: 'when-used', pluginData: resolveDir, sideEffects: false }
        : undefined
    )
    build.onLoad({ filter: /.*/, namespace: 'when-used' }, ({ path, pluginData }) => ({
      contents: `export default new Proxy({}, { get: (_, name) => require(${JSON.stringify(path)})[name] })`,
      resolveDir: pluginData as string,
      loader: 'js'
    }))
  }
}
