/** A relay of a mail's own, as it lies with the mail: its password sealed for that mail alone. */
import { Type } from "typebox";
import { Value } from "typebox/value";
import type { Context } from "../../runtime/context.ts";
import type { Relay } from "../resources/smtp-relays.ts";

/** What `mails.relay` holds. */
const Stored = Type.Object({
  host: Type.String({ minLength: 1 }),
  port: Type.Integer({ minimum: 1, maximum: 65535 }),
  secure: Type.Enum(["starttls", "tls", "none"]),
  from: Type.Optional(Type.String()),
  auth: Type.Union([
    Type.Object({ kind: Type.Literal("none") }),
    Type.Object({ kind: Type.Literal("password"), user: Type.String(), password: Type.String() }),
    Type.Object({ kind: Type.Literal("oauth2"), user: Type.String() }),
  ]),
});

/** Seals a relay for a mail: the value of its column `relay`. */
export function sealRelay({ secrets }: Pick<Context, "secrets">, relay: Relay, mailId: string): object {
  const { auth } = relay;
  if (auth.kind !== "password") return relay;
  return { ...relay, auth: { ...auth, password: secrets.seal(auth.password, relayPlace(mailId)) } };
}

/** The relay of a mail. Throws `SecretFault` when no key here opens its password. */
export function openRelay({ secrets }: Pick<Context, "secrets">, stored: unknown, mailId: string): Relay {
  const { from, auth, ...server } = Value.Parse(Stored, stored);
  const opened =
    auth.kind === "password" ? { ...auth, password: secrets.open(auth.password, relayPlace(mailId)) } : auth;
  return { ...server, from, auth: opened };
}

/** Where the password of a mail's relay is kept: what it is sealed for. */
export const relayPlace = (mailId: string): string => `mails.relay:${mailId}`;
