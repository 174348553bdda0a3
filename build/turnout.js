#!/usr/bin/env node
// The `turnout` command. Runs before any package is installed, on a Node that may be too old: so nothing but the check below
// is loaded at first.
import process from 'node:process';

const [major, minor] = process.versions.node.split('.').map(Number);

if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`turnout: Node 20.19 or newer is needed, this is ${process.versions.node} (${process.execPath})\n`);
  process.exitCode = 1;
} else {
  // No wrapper: the sidecar goes on in this process, with these arguments.
  import('./prepare.js').then(({ start }) => start(process.argv.slice(2)));
}
