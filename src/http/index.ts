/** The server of the client port. */
export { type ClientServer, type ServeOptions, serveClients } from './server.ts'
