import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { StartFailure } from './failure.js';
import { withLock } from './lock.js';

/** Everything the bundles are made from, and this recipe itself. */
const SOURCES = ['sidecar', 'njs', 'nginx', 'build/bundle.js', 'package.json', 'package-lock.json'];

/** How long a chunk of an earlier build stays for a sidecar that still runs it and may import it yet, in ms. */
const CHUNK_KEEP = 30 * 24 * 3600 * 1000;

// CommonJS packages expect these three; every chunk gets them.
const BANNER = `import { createRequire as turnoutCreateRequire } from 'node:module';
import { dirname as turnoutDirname } from 'node:path';
import { fileURLToPath as turnoutFileURLToPath } from 'node:url';
const require = turnoutCreateRequire(import.meta.url);
const __filename = turnoutFileURLToPath(import.meta.url);
const __dirname = turnoutDirname(__filename);`;

/**
 * Makes dist/ match its sources. Where there are no sources (an image that only ships dist/) what is there is taken.
 *
 * @param {{ root: string, log?: (line: string) => void }} options
 */
export async function ensureBundle({ root, log = () => {} }) {
  if (!existsSync(join(root, 'sidecar')) && existsSync(join(root, 'dist/turnout.js'))) return;
  if (isFresh(root)) return;
  await withLock(join(root, '.cache/bundle.lock'), () => (isFresh(root) ? undefined : build(root, log)), { log });
}

/** Contents, not times: a fresh clone, a checkout back and forth and a copied folder all tell the truth. */
export function sourceHash(root) {
  const hash = createHash('sha256');
  for (const path of SOURCES.flatMap((source) => filesUnder(root, source))) {
    const text = readFileSync(join(root, path));
    hash.update(`${path}\0${text.length}\0`).update(text);
  }
  return hash.digest('hex');
}

export function isFresh(root) {
  try {
    return readFileSync(join(root, 'dist/.stamp'), 'utf8') === sourceHash(root);
  } catch {
    return false;
  }
}

async function build(root, log) {
  log('building the bundles');
  // Taken before anything is read: a file that is edited meanwhile makes the next start build again.
  const stamp = sourceHash(root);
  const temp = mkdtempSync(join(root, '.cache/bundle-'));
  const esbuild = await import('esbuild');
  try {
    await bundle(esbuild, root, temp);
    putInPlace(temp, join(root, 'dist'), stamp);
  } catch (error) {
    if (!error.errors) throw error;
    const messages = await esbuild.formatMessages(error.errors, { kind: 'error', color: false });
    throw new StartFailure(`the bundles could not be built:\n${messages.join('\n').trim()}`);
  } finally {
    rmSync(temp, { recursive: true, force: true });
    // The sidecar goes on in this very process: leave it no child that is not its own.
    await esbuild.stop();
  }
}

function bundle(esbuild, root, outdir) {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const common = {
    absWorkingDir: root,
    bundle: true,
    format: 'esm',
    charset: 'utf8',
    logLevel: 'silent',
    define: { TURNOUT_VERSION: JSON.stringify(version) },
  };
  const sidecar = esbuild.build({
    ...common,
    entryPoints: { turnout: 'sidecar/cli/main.ts' },
    outdir,
    platform: 'node',
    target: 'node20',
    plugins: [withoutSsh],
    // What a verb imports dynamically is loaded by that verb alone.
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    sourcemap: 'linked',
    banner: { js: BANNER },
  });
  const njs = {
    ...common,
    outdir: join(outdir, 'njs'),
    platform: 'neutral',
    // njs' own module.
    external: ['fs'],
    // What the classic engine understands. Never minified: njs has no source maps, so its stack traces must be readable.
    target: 'es2017',
    // ES2017 that it does not have: refused here, with file and line, instead of by nginx.
    supported: {
      'array-spread': false,
      class: false,
      'default-argument': false,
      destructuring: false,
      'for-of': false,
      generator: false,
      'object-rest-spread': false,
      'optional-catch-binding': false,
    },
    treeShaking: true,
  };
  const requestPath = (name, takesOver) =>
    esbuild.build({
      ...njs,
      entryPoints: { [name]: 'njs/pick.ts' },
      define: { ...common.define, TAKES_OVER: String(takesOver) },
      plugins: takesOver ? [] : [lean(esbuild, njs)],
    });
  const internal = esbuild.build({ ...njs, entryPoints: ['njs/preview.ts', 'njs/control.ts', 'njs/watch.ts'] });
  return allSettled([sidecar, internal, requestPath('pick', false), requestPath('failover', true)]);
}

/** What dockerode brings along for Docker over ssh and for BuildKit sessions: megabytes, a native addon, and never called. */
const withoutSsh = {
  name: 'without-ssh',
  setup(builder) {
    builder.onResolve({ filter: /^(ssh2|@grpc\/grpc-js|@grpc\/proto-loader|protobufjs)$/ }, ({ path }) => ({
      path,
      namespace: 'left-out',
    }));
    builder.onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents: 'module.exports = {};', loader: 'js' }));
  },
};

/**
 * What every request runs, made cheaper by what njs' classic engine charges for: it makes each function of the module anew for
 * every request, so decide(), which few requests reach, is put as an expression where it is called; and it looks at each use of a let
 * or const whether it is initialised, which a var needs not.
 */
const lean = (esbuild, options) => ({
  name: 'lean',
  setup(builder) {
    builder.onLoad({ filter: /[/]njs[/]pick\.ts$/ }, async ({ path }) => {
      const slow = await esbuild.build({ ...options, entryPoints: ['njs/decide.ts'], outdir: undefined, write: false });
      const body = slow.outputFiles[0].text.replace(/^export \{\s*decide\s*\};/m, 'return decide;');
      const contents = readFileSync(path, 'utf8')
        .replace(/^import \{ decide \}.*$/m, '')
        .replace(/\bdecide\(/, () => `(function () {\n${body}})()(`)
        .replace(/\b(let|const) /g, 'var ');
      return { contents, loader: 'ts' };
    });
  },
});

/** The first failure counts, but only once nothing writes any more. */
async function allSettled(promises) {
  const failed = (await Promise.allSettled(promises)).find(({ status }) => status === 'rejected');
  if (failed) throw failed.reason;
}

/**
 * File by file, each by one rename, and never an empty dist: chunks (their names hold a hash) before turnout.js that imports
 * them. Chunks of earlier builds stay for running sidecars. No stamp in between, so a half moved build is never fresh.
 */
function putInPlace(temp, dist, stamp) {
  rmSync(join(dist, '.stamp'), { force: true });
  const isEntry = (path) => path === 'turnout.js';
  const paths = filesUnder(temp, '.').sort((a, b) => Number(isEntry(a)) - Number(isEntry(b)));
  for (const path of paths) {
    mkdirSync(dirname(join(dist, path)), { recursive: true });
    renameSync(join(temp, path), join(dist, path));
  }
  for (const path of filesUnder(dist, 'chunks')) {
    const old = Date.now() - statSync(join(dist, path)).mtimeMs > CHUNK_KEEP;
    if (old && !paths.includes(path)) rmSync(join(dist, path));
  }
  writeFileSync(join(temp, 'stamp'), stamp);
  renameSync(join(temp, 'stamp'), join(dist, '.stamp'));
}

/** Paths relative to `root`, in a fixed order; an absent one gives none. Dot files are editors' business. */
function filesUnder(root, path) {
  if (!existsSync(join(root, path))) return [];
  if (!statSync(join(root, path)).isDirectory()) return [path];
  return readdirSync(join(root, path))
    .filter((name) => !name.startsWith('.'))
    .sort()
    .flatMap((name) => filesUnder(root, join(path, name)));
}
