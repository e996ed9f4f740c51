// SPDX-License-Identifier: Apache-2.0
// listeners.<name>.tls: which certificates are shown, what is negotiated, and whether TLS ends here at all.
import Type from "typebox";
import { Duration, Flag, Reference, Section, Text } from "./scalars.ts";

const TLS_GROUPS = [
  "X25519MLKEM768",
  "SecP256r1MLKEM768",
  "SecP384r1MLKEM1024",
  "X25519",
  "X448",
  "P-256",
  "P-384",
  "P-521",
] as const;

export const Tickets = Section(
  {
    enabled: Flag({ default: true, description: "Whether sessions may be resumed with tickets." }),
    rotation: Duration({
      default: "12h",
      description: "How often a new ticket key is made; old ones resume for twice as long.",
    }),
    keyFile: Type.Optional(
      Text({ description: "80-byte keys shared among hosts, newest first (raw, or one base64 line each)." }),
    ),
  },
  {
    default: {},
    description: "TLS session tickets. All listeners share one ring of keys, so give all of them the same.",
  },
);

const ClientAuth = Section(
  {
    mode: Type.Enum(["none", "optional", "require"], {
      default: "none",
      errorMessage: "expected none, optional or require",
      description: "Whether clients are asked for a certificate, and whether they must have one.",
    }),
    ca: Type.Optional(Text({ description: "PEM file of the authorities that sign client certificates." })),
  },
  { default: {}, description: "Client certificates (mTLS)." },
);

export const Tls = Section(
  {
    mode: Type.Enum(["Terminate", "Passthrough"], {
      default: "Terminate",
      errorMessage: "expected Terminate or Passthrough",
      description:
        "Passthrough, for protocol tls: TLS is not ended here; the name in its ClientHello finds the route, and it goes on untouched.",
    }),
    certificates: Type.Array(Reference("a certificate"), {
      default: [],
      maxItems: 10_000,
      errorMessage: "expected a list of at least one certificate name",
      description: "Names under `certificates`; chosen by SNI, the first one is the default.",
    }),
    minVersion: Type.Enum(["1.2", "1.3"], {
      default: "1.2",
      errorMessage: 'expected "1.2" or "1.3"',
      description: "The oldest TLS version accepted.",
    }),
    groups: Type.Array(Type.Enum([...TLS_GROUPS]), {
      minItems: 1,
      default: ["X25519MLKEM768", "X25519", "P-256", "P-384"],
      errorMessage: "expected a list of key exchange groups",
      description: "Key exchange groups, the preferred one first.",
    }),
    alpn: Type.Array(
      Type.String({
        minLength: 1,
        maxLength: 255,
        pattern: "^[!-~]+$",
        errorMessage: "expected the name of a protocol such as h2",
      }),
      {
        maxItems: 16,
        default: ["h2", "http/1.1"],
        errorMessage: "expected a list of protocols such as [h2, http/1.1]",
        description:
          "Application protocols offered, the preferred one first. Without it, what http2.enabled says; nothing on tls listeners.",
      },
    ),
    clientAuth: ClientAuth,
    tickets: Tickets,
  },
  { description: "TLS of an https or tls listener." },
);
