import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';

/** Linux' O_TMPFILE, which Node does not name: a file without a name, gone when it is closed. The folder does not notice. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/** The text, or why there is none. */
export function read(path: string): { text: string } | { error: string } {
  try {
    return { text: readFileSync(path, 'utf8') };
  } catch (error) {
    return { error: errorCode(error) };
  }
}

export function errorCode(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}

/** The last whole line within the last 64 KiB; '' when there is none. */
export function lastLine(path: string): string {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const tail = Buffer.alloc(Math.min(size, 65_536));
    readSync(file, tail, 0, tail.length, size - tail.length);
    return tail.toString('utf8').split('\n').slice(0, -1).at(-1) ?? '';
  } finally {
    closeSync(file);
  }
}

/** Writes into a file without a name in that folder: when the file system says it was, or why it could not be. */
export function writeNameless(folder: string): { mtimeMs: number } | { error: string } {
  try {
    const file = openSync(folder, O_TMPFILE | constants.O_RDWR, 0o600);
    try {
      writeSync(file, 'turnout');
      return { mtimeMs: fstatSync(file).mtimeMs };
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return { error: errorCode(error) };
  }
}

/** A path as a word of a command line that the user may copy. */
export function word(path: string): string {
  return /^[\w./@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
