/** Who calls: the client behind a token. */
import type { ClientQuota } from "../resources/entities.ts";
import type { Permission } from "./permissions.ts";

export class Caller {
  readonly tokenId: string;
  readonly clientId: string;
  readonly clientName: string;
  readonly department: string | undefined;
  /** The client's own limits, in place of the system's; 0 is none. */
  readonly quota: { readonly requestsPerMinute: number | undefined; readonly mailsPerHour: number | undefined };
  readonly #permissions: ReadonlySet<string>;

  constructor(token: {
    id: string;
    client_id: string;
    client_name: string;
    department: string | null;
    permissions: readonly string[];
    quota?: ClientQuota | null;
  }) {
    this.tokenId = token.id;
    this.clientId = token.client_id;
    this.clientName = token.client_name;
    this.department = token.department ?? undefined;
    this.quota = { requestsPerMinute: token.quota?.requests_per_minute, mailsPerHour: token.quota?.mails_per_hour };
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
