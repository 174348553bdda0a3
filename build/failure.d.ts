export class StartFailure extends Error {
  constructor(message: string, exitCode?: number);
  readonly exitCode: number;
}
