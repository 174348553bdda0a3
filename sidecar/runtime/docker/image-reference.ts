/** Docker Hub, as people name it. */
export const HUB = 'docker.io';

export interface ImageReference {
  /** `registry.example:5000`; `docker.io` where none is named. */
  registry: string;
  /** As it was written, without tag and digest: `registry.example:5000/team/backend`. */
  name: string;
  /** Null beside a digest; else `latest` where none is named. */
  tag: string | null;
  /** `sha256:...`; null where none is named. */
  digest: string | null;
}

/** As the engine reads it. Without a tag it means `latest`: to ask for a bare name would fetch every tag there is. */
export function parseReference(text: string): ImageReference {
  const [before = '', digest = null] = text.split('@', 2);
  const colon = before.indexOf(':', before.lastIndexOf('/') + 1);
  const name = colon === -1 ? before : before.slice(0, colon);
  const tag = colon === -1 ? 'latest' : before.slice(colon + 1);
  const first = name.includes('/') ? (name.split('/')[0] as string) : '';
  const registry = /[.:]/.test(first) || first === 'localhost' ? first : HUB;
  return { registry, name, tag: digest === null ? tag : null, digest };
}

/** Whether two names mean the same repository: the engine leaves out `docker.io/library/`. */
export function sameRepository(one: string, other: string): boolean {
  const short = (name: string) => name.replace(/^(index\.)?docker\.io\//, '').replace(/^library\//, '');
  return short(one) === short(other);
}
