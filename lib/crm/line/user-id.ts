/**
 * Whether LINE can have given a user this id: `U` and 32 hexadecimal digits. A multicast with another one is refused as a
 * whole, so they are left out before it. https://developers.line.biz/en/docs/messaging-api/getting-user-ids/
 */
export function isLineUserId(id: string): boolean {
  return /^U[0-9a-f]{32}$/.test(id);
}
