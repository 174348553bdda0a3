export interface Source {
  uri: string;
  suite: string;
  components: string[];
  architectures: string[];
  signedBy: string;
  trusted: boolean;
}
export function debianMirrors(architecture: string, etc?: string): Source[];
export function readSources(etc: string): Source[];
export function parseOneLine(text: string): Source[];
export function parseDeb822(text: string): Source[];
export function sourceText(source: Source, suite: string, architecture: string): string;
