// SPDX-License-Identifier: Apache-2.0
// certificates.<name>: a chain and its key from files, or one that mango-edge makes for itself.
import Type from "typebox";
import { Flag, Named, Section, Text } from "./scalars.ts";

export const Certificate = Section(
  {
    hostnames: Type.Optional(
      Type.Array(Text(), {
        minItems: 1,
        maxItems: 10_000,
        errorMessage: "expected a list of host names",
        description:
          "Names this certificate is served for (SNI); without them, those in the certificate itself.",
      }),
    ),
    certFile: Type.Optional(
      Text({
        description: "PEM file: the certificate, then its chain. Watched and swapped without a restart.",
      }),
    ),
    keyFile: Type.Optional(Text({ description: "PEM file of the unencrypted private key." })),
    selfSigned: Type.Optional(
      Flag({ description: "Make a certificate and keep it in the state folder: for trying things out." }),
    ),
  },
  { notYet: ["acme"], description: "certFile with keyFile, or selfSigned: true." },
);

export const Certificates = Named(Certificate, { default: {}, description: "Certificates, by name." });
