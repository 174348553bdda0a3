import { type Logger, pino } from 'pino';

export type Log = Logger;

/** JSON lines when stdout is not a terminal, else one readable line each. */
export function createLog(out: NodeJS.WriteStream): Log {
  const options = {
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, { write: (line: string) => void out.write(out.isTTY ? readable(line) : line) });
}

function readable(line: string): string {
  const { level, time, msg, ...facts } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(facts).map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const mark = level === 'info' ? '' : `${String(level).toUpperCase()} `;
  return `${String(time).slice(11, 19)} ${mark}${msg}${rest.length > 0 ? `  ${rest.join(' ')}` : ''}\n`;
}
