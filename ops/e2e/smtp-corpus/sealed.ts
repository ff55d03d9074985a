/** Messages that are signed, sealed, or of one kind of mail program. */
import {
  base64,
  blob,
  crlf,
  hex,
  html,
  join,
  lines,
  mail,
  mailOf,
  mixed,
  multipart,
  part,
  text,
  type Case,
} from "./case.ts";

const signature = blob(1500, 9);
const tnef = join(hex("789f3e22"), signature);
const pgp = lines("-----BEGIN PGP SIGNATURE-----", "", "iQEzBAEBCAAdFiEE", "=abcd", "-----END PGP SIGNATURE-----", "");

/** A message of one file that nobody here can look into. */
function seal(name: string, type: string, filename: string): Case {
  const head = [
    `Content-Type: ${type}; name="${filename}"`,
    "Content-Transfer-Encoding: base64",
    `Content-Disposition: attachment; filename="${filename}"`,
  ];
  return {
    name,
    raw: mail(head, base64(signature, 64), ""),
    answer: 250,
    expect: { text: "", attachments: [{ filename, contentType: type.split(";")[0] ?? "", content: signature }] },
  };
}

export const sealed: readonly Case[] = [
  seal("a message sealed by S/MIME", "application/pkcs7-mime; smime-type=enveloped-data", "smime.p7m"),
  seal("a message signed opaquely by S/MIME", "application/x-pkcs7-mime; smime-type=signed-data", "smime.p7m"),
  {
    name: "a message signed by S/MIME",
    raw: mailOf(
      multipart(
        "signed",
        "----sig",
        [
          multipart("alternative", "alt", [text("Signed "), html("<p>Signed")]),
          part(
            ['Content-Type: application/pkcs7-signature; name="smime.p7s"', "Content-Transfer-Encoding: base64"],
            base64(signature),
          ),
        ],
        { parameters: '; protocol="application/pkcs7-signature"; micalg=sha-256', preamble: "This is signed." },
      ),
    ),
    answer: 250,
    expect: {
      text: "Signed",
      html: "<p>Signed",
      attachments: [{ filename: "smime.p7s", contentType: "application/pkcs7-signature", content: signature }],
    },
  },
  {
    name: "a message signed by PGP",
    raw: mailOf(
      multipart(
        "signed",
        "pgp",
        [text("Signed"), part(["Content-Type: application/pgp-signature; name=signature.asc"], pgp)],
        {
          parameters: "; micalg=pgp-sha256;\r\n protocol=application/pgp-signature",
        },
      ),
    ),
    answer: 250,
    expect: {
      text: "Signed",
      attachments: [{ filename: "signature.asc", contentType: "application/pgp-signature", content: pgp }],
    },
  },
  {
    name: "a message signed by PGP in its text",
    raw: mail([], "-----BEGIN PGP SIGNED MESSAGE-----", "", "- -- dashes", "", pgp),
    answer: 250,
    expect: {
      text: `-----BEGIN PGP SIGNED MESSAGE-----\n\n- -- dashes\n\n${pgp.toString().replaceAll(crlf, "\n")}`,
      attachments: [],
    },
  },
  {
    name: "a winmail.dat",
    raw: mixed(
      text("Hello"),
      part(
        ['Content-Type: application/ms-tnef; name="winmail.dat"', "Content-Transfer-Encoding: base64"],
        base64(tnef),
      ),
    ),
    answer: 250,
    expect: {
      text: "Hello",
      attachments: [{ filename: "winmail.dat", contentType: "application/ms-tnef", content: tnef }],
    },
  },
];
