/** Why Turnout cannot start, in words for the user. Everything else that is thrown here is a fault of ours. */
export class StartFailure extends Error {
  /**
   * @param {string} message
   * @param {number} [exitCode] as in docs/cli.md: 1 internal (default), 8 runtime or gateway unusable, 130 interrupted
   */
  constructor(message, exitCode = 1) {
    super(message);
    this.name = 'StartFailure';
    this.exitCode = exitCode;
  }
}
