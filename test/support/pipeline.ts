import { execFile } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ROOT } from './turnout.ts';

/** One stage of a pipeline that runs shell code. */
export interface Stage {
  name: string;
  script: string;
}

/** What the Jenkinsfile runs, in its order: the one shell block of each stage. */
export async function jenkinsStages(): Promise<Stage[]> {
  const text = await readFile(join(ROOT, 'examples/jenkins/Jenkinsfile'), 'utf8');
  const stages = text.split(/^ {4}stage\(/m).slice(1);
  return stages.map((stage) => {
    const [, name] = /^'([^']+)'/.exec(stage) ?? [];
    const [, script] = /'''([\s\S]*?)'''/.exec(stage) ?? [];
    if (name === undefined || script === undefined) throw new Error(`a stage without a name or a shell block: ${stage}`);
    return { name, script };
  });
}

export async function actionsStages(): Promise<Stage[]> {
  const { jobs } = parse(await readFile(join(ROOT, 'examples/github-actions/deploy.yaml'), 'utf8'));
  const steps = jobs.deploy.steps as { name?: string; run?: string; if?: string }[];
  return steps.flatMap(({ name, run, if: condition }) => (name && run && !condition ? [{ name, script: run }] : []));
}

/** Puts a `turnout` command into the folder, for PATH. */
export async function turnoutCommand(folder: string): Promise<void> {
  const file = join(folder, 'turnout');
  await writeFile(file, `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, 'build/turnout.js')}' "$@"\n`);
  await chmod(file, 0o755);
}

/** As the CI's shell does it: the first command that fails ends the script. */
export function shell(
  script: string,
  { folder, env }: { folder: string; env: Record<string, string> },
): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|TURNOUT_)/.test(name)));
    const all = { ...clean, ...env, PATH: `${folder}:${process.env.PATH}` };
    execFile('bash', ['-e', '-o', 'pipefail', '-c', script], { cwd: folder, env: all }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, output: `${stdout}${stderr}` });
    });
  });
}
