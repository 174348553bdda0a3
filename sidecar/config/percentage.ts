/**
 * `1%` is 0.01; at most three decimals. `undefined` when the text is no percentage.
 * The decimal point is moved in the text: dividing by 100 makes 0.006999999999999999 of `0.7%`.
 */
export function parsePercentage(text: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)%$/.exec(text);
  return match ? Number(`${match[1]}e-2`) : undefined;
}

/** A share as a percentage; one with more decimals than `parsePercentage` takes stays a number. */
export function formatPercentage(share: number): string | number {
  const text = `${Number((share * 100).toFixed(3))}%`;
  return parsePercentage(text) === share ? text : share;
}
