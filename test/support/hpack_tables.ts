// SPDX-License-Identifier: Apache-2.0
// The constants of HPACK (RFC 7541): the static table of appendix A and the Huffman code of appendix B. The code is
// canonical, so the lengths of its 257 words say all of it.

const names = `:authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|
:status 204|:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate|
accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|
content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|
cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|
last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|
server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate`;

export type Field = readonly [name: string, value: string];

// The first entry has index 1.
export const staticTable: readonly Field[] = names.split(/\|\n?/).map((line): Field => {
  const space = line.indexOf(" ");
  return space < 0 ? [line, ""] : [line.slice(0, space), line.slice(space + 1)];
});

// One digit of base 36 for each octet.
const lengths =
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca" +
  "d67777777777777777777777878djde6f56565666577666567655677777fbeds" +
  "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn" +
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq";

const huffmanCode: ReadonlyMap<string, number> = new Map(
  (() => {
    const words = Array.from(lengths, (digit, octet) => ({ octet, length: Number.parseInt(digit, 36) }));
    words.sort((a, b) => a.length - b.length || a.octet - b.octet);
    let code = -1;
    let previous = words[0]?.length ?? 0;
    return words.map(({ octet, length }): [string, number] => {
      code = (code + 1) * 2 ** (length - previous);
      previous = length;
      return [code.toString(2).padStart(length, "0"), octet];
    });
  })(),
);

export function huffmanDecode(bytes: Buffer): Buffer {
  const out: number[] = [];
  let word = "";
  for (const bit of Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("")) {
    word += bit;
    const octet = huffmanCode.get(word);
    if (octet === undefined) continue;
    out.push(octet);
    word = "";
  }
  if (!/^1{0,7}$/.test(word)) throw new Error(`not the padding of a Huffman string: ${word}`);
  return Buffer.from(out);
}
