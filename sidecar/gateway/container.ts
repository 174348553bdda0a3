/** A gateway in a container that somebody else has made; see runtime/docker/gateway-container.ts. */
export interface GatewayContainer {
  /** Null: there is none. */
  find(): Promise<FoundContainer | null>;
  /** Runs a program in it. */
  exec(id: string, words: string[]): Promise<{ code: number; output: string }>;
  kill(id: string): Promise<void>;
  start(id: string): Promise<void>;
  /** Of all its processes, as `ps` shows them. */
  titles(id: string): Promise<string[]>;
  /** Calls back when it has ended, and how is known. Returns the way to stop listening. */
  onEnd(listener: (end: GatewayEnd) => void): () => void;
}

export interface GatewayEnd {
  id: string;
  /** Somebody has stopped or removed it. `docker kill` and a crash are not that. */
  deliberate: boolean;
}

export interface FoundContainer {
  id: string;
  name: string;
  state: 'created' | 'running' | 'restarting' | 'exited' | 'paused' | 'dead';
  exitCode: number;
}
