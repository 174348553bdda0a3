import { spawn } from 'node:child_process';
import { StartFailure } from './failure.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Runs one command to its end and keeps what it said, which the caller shows only when it failed.
 * A signal that reaches us meanwhile goes to the command too, and ends in a StartFailure, so that locks and temp folders are
 * cleaned up and no orphan works on behind our back.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, timeout?: number }} [options] timeout in ms; default 0: none
 * @returns {Promise<{ code: number, output: string }>} code 127: it could not be started; output: stdout and stderr, as they came
 */
export function run(command, args, { cwd, env = process.env, timeout = 0 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let interrupted = '';
    const keep = (chunk) => {
      output += chunk;
    };
    const passOn = (signal) => {
      interrupted = signal;
      child.kill(signal);
    };
    const timer = timeout > 0 ? setTimeout(() => child.kill('SIGKILL'), timeout) : undefined;
    const settle = (code) => {
      clearTimeout(timer);
      for (const signal of SIGNALS) process.off(signal, passOn);
      if (interrupted) reject(new StartFailure(`interrupted by ${interrupted} while ${command} was running`, 130));
      else resolve({ code, output });
    };

    for (const signal of SIGNALS) process.on(signal, passOn);
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    child.once('error', (error) => {
      output += error.code === 'ENOENT' ? `${command}: not found` : `${command}: ${error.message}`;
      settle(127);
    });
    child.once('close', (code, signal) => {
      if (signal && timeout > 0) output += `\n${command} was ended by ${signal}; its limit is ${timeout / 1000} s`;
      settle(code ?? 1);
    });
  });
}
