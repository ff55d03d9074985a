/** The key that signs tokens. Exactly one algorithm holds in a running system. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, type KeyObject } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { makeFolder } from "./folder.ts";

export interface SigningKey {
  readonly algorithm: "RS256" | "HS256";
  readonly sign: KeyObject | string;
  readonly verify: KeyObject | string;
}

export interface SigningKeyOptions {
  /** RSA, PEM. */
  privateKey: string | undefined;
  secret: string | undefined;
  /** Where a key of our own is kept when neither is given. */
  file: string;
}

/** RS256 with a private key; HS256 when there is only a secret; else RS256 with a key made on first use. */
export async function openSigningKey({ privateKey, secret, file }: SigningKeyOptions): Promise<SigningKey> {
  if (privateKey === undefined && secret !== undefined) return { algorithm: "HS256", sign: secret, verify: secret };
  const sign = createPrivateKey(privateKey ?? (await ownKey(file)));
  return { algorithm: "RS256", sign, verify: createPublicKey(sign) };
}

async function ownKey(file: string): Promise<string> {
  const existing = await readFile(file, "utf8").catch(() => undefined);
  if (existing !== undefined) return existing;
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  await makeFolder(dirname(file), 0o700);
  // The name appears with all of its content or not at all: another process may start, or this one die, in between.
  const whole = `${file}.${randomUUID()}`;
  try {
    await writeFile(whole, pem, { mode: 0o600, flag: "wx", flush: true });
    await link(whole, file);
    return pem;
  } catch (error) {
    if (!isTaken(error)) throw error;
    return await readFile(file, "utf8"); // Another process was first.
  } finally {
    await rm(whole, { force: true });
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EEXIST";
}
