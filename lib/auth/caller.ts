/** Who calls: the client behind a token. */
import type { Permission } from "./permissions.ts";

export class Caller {
  readonly tokenId: string;
  readonly clientId: string;
  readonly clientName: string;
  readonly department: string | undefined;
  readonly #permissions: ReadonlySet<string>;

  constructor(token: {
    id: string;
    client_id: string;
    client_name: string;
    department: string | null;
    permissions: readonly string[];
  }) {
    this.tokenId = token.id;
    this.clientId = token.client_id;
    this.clientName = token.client_name;
    this.department = token.department ?? undefined;
    this.#permissions = new Set(token.permissions);
  }

  /** `admin` includes every other permission. */
  may(permission: Permission): boolean {
    return this.#permissions.has(permission) || this.#permissions.has("admin");
  }

  /** A client sees its own mail; an admin sees everyone's. */
  mayRead(clientId: string): boolean {
    return clientId === this.clientId || this.#permissions.has("admin");
  }
}
