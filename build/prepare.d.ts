export function verbOf(args: string[]): string;
