/**
 * Who this copy is. Turnout hands the TURNOUT_* variables to every replica; without it the defaults say that nobody did.
 */
export function readIdentity(env) {
  return {
    service: env.TURNOUT_SERVICE || 'backend',
    release: env.TURNOUT_RELEASE || 'dev',
    color: env.TURNOUT_COLOR || 'none',
    slot: env.TURNOUT_SLOT || '0',
    environment: env.NODE_ENV || 'development',
    pid: process.pid,
  };
}

/** The identity as header names and values in turn, the form that node:http writes without building an object. */
export function identityHeaders({ release, color, slot, pid }) {
  return ['x-release', printable(release), 'x-color', printable(color), 'x-slot', printable(slot), 'x-pid', String(pid)];
}

/** A label with an umlaut is a fine release name but not a legal header value. */
function printable(text) {
  return text.replace(/[^\x20-\x7e]/g, '?');
}
