/** A variable that this process can't start with: exit code 2. */
export class SettingError extends Error {}

/** Where to listen: HOST, default 127.0.0.1, and PORT, default 8000; port 0 takes any free one. */
export function readAddress(env) {
  const port = env.PORT ? readNumber('PORT', env.PORT, 0, 65_535) : 8000;
  if (!Number.isInteger(port)) throw new SettingError(`PORT: found "${env.PORT}", expected a whole number`);
  return { host: env.HOST || '127.0.0.1', port };
}

/** A plain decimal number within bounds. `found` is the text to quote when it is more than the number. */
export function readNumber(name, text, least, most, found = text) {
  const value = /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : NaN;
  if (!(value >= least && value <= most)) {
    const where = found === text ? '' : ' before the %';
    throw new SettingError(`${name}: found "${found}", expected a number from ${least} to ${most}${where}`);
  }
  return value;
}
