/** A certificate for this machine that signs itself: whoever is to trust it names it in NODE_EXTRA_CA_CERTS. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ownFolder } from "../../harness/process.ts";

export interface Certificate {
  key: string;
  cert: string;
  /** File of `cert`. */
  certFile: string;
  keyFile: string;
}

export async function makeCertificate(days = 2): Promise<Certificate> {
  const folder = ownFolder("certificate");
  const [certFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  await promisify(execFile)("openssl", [...kind, ...names, "-days", `${days}`, "-keyout", keyFile, "-out", certFile]);
  const [key, cert] = await Promise.all([readFile(keyFile, "utf8"), readFile(certFile, "utf8")]);
  return { key, cert, certFile, keyFile };
}
