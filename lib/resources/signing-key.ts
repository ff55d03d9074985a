/** The key that signs tokens. Exactly one algorithm holds in a running system. */
import { createPrivateKey, createPublicKey, createSecretKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { keyFile } from "./key-file.ts";

export interface SigningKey {
  readonly algorithm: "RS256" | "HS256";
  readonly sign: KeyObject;
  readonly verify: KeyObject;
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
  if (privateKey === undefined && secret !== undefined) {
    // Of a text, jsonwebtoken tries to make a public key first, for each token.
    const key = createSecretKey(Buffer.from(secret));
    return { algorithm: "HS256", sign: key, verify: key };
  }
  const sign = createPrivateKey(privateKey ?? (await keyFile(file, newKey)));
  return { algorithm: "RS256", sign, verify: createPublicKey(sign) };
}

function newKey(): string {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}
