/** What a token may do. */
export const permissions = ["mail:send", "mail:read", "mail:cancel", "admin"] as const;
export type Permission = (typeof permissions)[number];

/** `mail.send` and the like are taken too, and kept with the colon. Undefined for what is no permission. */
export function parsePermission(text: string): Permission | undefined {
  const written = text.trim().replace(".", ":");
  return permissions.find((permission) => permission === written);
}
