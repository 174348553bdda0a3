/** Puts the release where `{release}` stands. */
export function fillRelease(text: string, release: string): string {
  return text.replaceAll('{release}', () => release);
}
