/** Everything that leaves this folder; dockerode's types do not. */
export { DockerRuntime } from './docker-runtime.ts';
export { examineEngine } from './examination.ts';
export { DockerGatewayContainer } from './gateway-container.ts';
export { ensureNetwork, removeNetwork } from './network.ts';
