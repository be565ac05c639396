export { type Cut, MemoryNetwork, type MemoryNetworkOptions } from './memory-network.ts'
export { MemoryTransport, type MemoryTransportOptions } from './memory-transport.ts'
