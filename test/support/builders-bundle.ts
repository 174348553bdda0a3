import { join } from 'node:path';
import { build } from 'esbuild';

/**
 * Bundles a program that imports the project's sources, for tests that need another process. Its imports are relative to
 * the root of the project, e.g. './sidecar/store/lock.ts'. Answers the file to run with node.
 */
export async function bundled(folder: string, contents: string): Promise<string> {
  const outfile = join(folder, 'program.mjs');
  const resolveDir = join(import.meta.dirname, '../..');
  await build({
    stdin: { contents, resolveDir, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    banner: { js: REQUIRE },
  });
  return outfile;
}

/** CommonJS packages inside a module ask for `require`. */
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
