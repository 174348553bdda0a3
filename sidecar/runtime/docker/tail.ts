import { LineSplitter } from '../line-splitter.ts';
import type { Replica } from '../runtime.ts';
import type { Engine } from './engine.ts';
import { type Channel, LogFrames } from './log-frames.ts';
import { firstWords, toReplica } from './replica.ts';

/** The last lines of what one replica has written; empty when its container is gone. */
export async function tailContainer(engine: Engine, container: string, replica: Replica, lines: number): Promise<string[]> {
  if (lines <= 0) return [];
  const wanted = `The output of container ${container} cannot be read`;
  const info = await engine.find(wanted, (docker) => docker.getContainer(container).inspect());
  if (!info) return [];
  const current = toReplica(info);
  const isCurrent = current?.id === replica.id;
  // One that never was kept has the container for itself.
  const since = isCurrent && !current.kept && info.RestartCount === 0 ? '0' : seconds(firstWords(replica));
  // Where the container has run again since, the end of this run is somewhere in the middle.
  const part = isCurrent ? { since, tail: lines } : { since, ...(current && { until: seconds(firstWords(current)) }) };
  const raw = await engine.find(wanted, (docker) =>
    docker.getContainer(container).logs({ ...(part as object), stdout: true, stderr: true, follow: false }),
  );
  const written = splitLines(raw ?? Buffer.alloc(0));
  if (isCurrent && info.State.OOMKilled && !current.alive) written.push(outOfMemory(info.HostConfig.Memory));
  return written.slice(-lines);
}

/** As the engine wants them: with a fraction. */
function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3);
}

function splitLines(raw: Buffer): string[] {
  const lines: string[] = [];
  const take = (line: string) => void lines.push(line);
  const splitters: Record<Channel, LineSplitter> = { stdout: new LineSplitter(take), stderr: new LineSplitter(take) };
  // What is none of it came as JSON or text of the engine's.
  if (Buffer.isBuffer(raw)) new LogFrames((channel, bytes) => splitters[channel].push(bytes)).push(raw);
  splitters.stdout.flush();
  splitters.stderr.flush();
  return lines;
}

/** Nobody could tell it from a plain crash otherwise. */
function outOfMemory(limit: number | undefined): string {
  const allowed = limit ? `${Math.round(limit / 1024 ** 2)} MiB` : 'what the machine has';
  return `[turnout] killed by the kernel: it wanted more memory than ${allowed}`;
}
