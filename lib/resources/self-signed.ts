/** A certificate that nobody vouches for: while developing, SMTP is to have TLS as well. */
import { keyFile } from "./key-file.ts";

const tenYearsMs = 10 * 365 * 24 * 60 * 60 * 1000;

/** Makes the file where it is not there: key and certificate, in PEM. */
export async function selfSignedCertificate(file: string): Promise<void> {
  await keyFile(file, async () => {
    // Only here: it takes more memory than all that it is needed for.
    const { generate } = await import("selfsigned");
    const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }], {
      keyType: "ec",
      algorithm: "sha256",
      notAfterDate: new Date(Date.now() + tenYearsMs),
    });
    return `${key.trim()}\n${cert.trim()}\n`;
  });
}
