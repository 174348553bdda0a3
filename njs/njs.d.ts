/** What njs 1.0 has and njs-types 0.9 does not say, and the literals that rendering and bundling put in. */

/** Classic engine only; resolves built-in modules when called, so the hot path pays nothing for it. */
declare function njsRequire(module: 'fs'): {
  readFileSync(path: string, encoding: 'utf8'): string;
};

/** Preloaded from `rendered/gateway.json`: what control() may write. */
declare const turnout_gateway: {
  /** Absolute; ends with `/`. */
  routes: string;
  /** The rendered sets of slots of each service, e.g. "1-2". A preloaded array has no methods, so they are keys. */
  services: { [name: string]: { [set: string]: true } };
};

/** Preloaded from `rendered/installed.json`: which configuration this worker runs with. */
declare const turnout_installed: { configuration: string };

declare const TURNOUT_VERSION: string;

/** The bundle is for requests that the first color could not answer. */
declare const TAKES_OVER: boolean;
