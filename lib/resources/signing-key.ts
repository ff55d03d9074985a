/** The key that signs tokens. Exactly one algorithm holds in a running system. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

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
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  try {
    await writeFile(file, pem, { mode: 0o600, flag: "wx" });
    return pem;
  } catch {
    return readFile(file, "utf8"); // Another process was first.
  }
}
