/** What listens on the client port. */
export { type ClientServer, type ServeOptions, serveClients } from './server.ts'
