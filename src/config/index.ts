/** The configuration room: what other rooms may use of it. */
export type {
  CertificateConfiguration,
  Discovery,
  FileDiscovery,
  FilesConfiguration,
  Hook,
  HooksConfiguration,
  HttpsDiscovery,
  JoinConfiguration,
  LogFormat,
  TokenDiscovery,
  TokenSource,
} from './configuration.ts'
export { formatEndpoint, type Endpoint } from './endpoint.ts'
export { parseConfiguration, type ParseContext, type ParseResult } from './parse.ts'
export { formatProblem, type ConfigurationProblem } from './problems.ts'
