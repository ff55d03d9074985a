/** What a status says of its answer. */

export function isRedirect(status: number): boolean {
  return status > 300 && status < 400 && status !== 304;
}

/** RFC 9110: 204 and 304 have no body; what redirects needs none. */
export function hasNoBody(status: number): boolean {
  return status === 204 || (status >= 300 && status < 400);
}
