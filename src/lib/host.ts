/** Hosts without the brackets in which URLs have IPv6 addresses. */

/** As sockets, resolvers and certificates name it. */
export const bareHost = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '')

/** The one short form of an IPv6 address (RFC 5952). Throws a TypeError for what is none. */
export const shortIPv6 = (address: string): string => bareHost(new URL(`https://[${address}]`))
