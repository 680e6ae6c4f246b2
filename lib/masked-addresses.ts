/** Addresses as others may see them. A password may hold anything, and what holds one need not be a valid URL. */

/** Of one or several addresses: no logins and no queries, which may hold a token. */
export function maskAddresses(text: string): string {
  const uptoLastAt = /(\w[\w+.-]*:\/\/|^)(?:(?!\w[\w+.-]*:\/\/)[\s\S])*@/g;
  return text.replace(uptoLastAt, '$1***@').replace(/\?\S*/g, '');
}

/** Of the addresses among other words. */
export function maskAddressesIn(text: string): string {
  return text.replace(/\S+/g, maskAddresses);
}
