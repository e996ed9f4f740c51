// SPDX-License-Identifier: Apache-2.0
// Loading as a whole: all mistakes at once, bounded work, secrets kept, files named for the watcher.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ConfigErrors } from "../../src/config/errors.ts";
import { loadConfig, MAX_CONFIG_BYTES } from "../../src/config/load.ts";
import { publicConfig } from "../../src/config/public.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { errorsOf, onlyErrorOf, parse, SOUND, temporaryFolder } from "./config_text.ts";

test("a sound file loads with every default filled in", async () => {
  const { config, warnings } = await parse(SOUND);
  assert.deepEqual(warnings, []);
  assert.equal(config.workers, "auto");
  assert.equal(config.offload.engine, "kernel");
  assert.equal(config.admin.address, "127.0.0.1:9901");
  assert.equal(config.listeners["web"]?.timeouts.minRate.bytesPerSecond, 240);
  assert.equal(config.listeners["web"]?.limits.headBytes, "16KiB");
  assert.equal(config.upstreams["app"]?.healthCheck.passive.consecutiveFailures, 5);
  assert.deepEqual(config.routes[0]?.matches, [
    { path: { type: "PathPrefix", value: "/" }, headers: [], queryParams: [] },
  ]);
});

test("who asks for a device without saying where means the usual place", async () => {
  const usual = { address: "localhost:32847", index: 0 };
  const ipcOf = async (offload: string) => (await parse(`${SOUND}offload: ${offload}\n`)).config.offload.ipc;
  assert.deepEqual(await ipcOf("{engine: device}"), usual);
  assert.deepEqual(await ipcOf("{engine: device, ipc: {index: 3}}"), { ...usual, index: 3 });
  assert.deepEqual(await ipcOf('{engine: device, ipc: {address: "iceoryx:toe-1"}}'), {
    ...usual,
    address: "iceoryx:toe-1",
  });
  for (const address of ["[::1]:1", "127.0.0.1:65535", "toe.example.org:32847"])
    assert.equal((await ipcOf(`{engine: device, ipc: {address: "${address}"}}`))?.address, address);
  assert.equal(await ipcOf("{engine: kernel}"), undefined);
});

test("mistakes of all kinds are reported together, in file order", async () => {
  const text = `listeners:
  web: {address: nowhere, protocol: http, color: red}
  other: {adress: ":1", protocol: http}
routes:
  - name: one
    listeners: [web, other, thrid]
    backendRefs: [{name: nothing}]
  - name: 7
    backendRefs: [{name: nothing}]
policies:
  p: {ipDeny: [abc]}
`;
  const { errors, message } = await errorsOf(text);
  assert.deepEqual(
    errors.map(({ line, path }) => [line, path]),
    [
      [2, "listeners.web.color"],
      [3, "listeners.other.address"],
      [3, "listeners.other.adress"],
      [6, "routes[0].listeners[2]"],
      [7, "routes[0].backendRefs[0].name"],
      [8, "routes[1].name"],
      [11, "policies.p.ipDeny[0]"],
    ],
  );
  assert.equal(message.split("\n").length, errors.length);
});

test("errors are plain data as JSON", async () => {
  const errors = await errorsOf(SOUND.replace("protocol: http", "protocol: htps"));
  assert.deepEqual(JSON.parse(JSON.stringify(errors)), {
    code: "CONFIG_INVALID",
    omitted: 0,
    errors: [
      {
        file: "edge.yaml",
        line: 4,
        column: 15,
        message: 'expected https, http, tls or tcp, got "htps"',
        path: "listeners.web.protocol",
        suggestion: "https",
      },
    ],
  });
});

test("a file of nothing but mistakes gives fifty of them and the number of the others", async () => {
  const wrong = Array.from({ length: 500 }, (_, index) => `key${index}: 1\n`).join("");
  const errors = await errorsOf(wrong + SOUND);
  assert.equal(errors.errors.length, 50);
  assert.equal(errors.omitted, 450);
  assert.match(errors.message, /and 450 more$/);
});

test("nested aliases are refused before they are expanded", async () => {
  const levels = Array.from({ length: 12 }, (_, index) => {
    const previous = Array.from({ length: 10 }, () => `*l${index}`).join(", ");
    return `  l${index + 1}: &l${index + 1} [${previous}]\n`;
  });
  const error = await onlyErrorOf(`admin:\n  l0: &l0 [a, b]\n${levels.join("")}${SOUND}`);
  assert.match(error.message, /aliases expand to more than/);
});

test("deep nesting is refused", async () => {
  const error = await onlyErrorOf(`admin: ${"[".repeat(200)}${"]".repeat(200)}\n${SOUND}`);
  assert.match(error.message, /nested deeper than/);
});

test("keys of a prototype are keys like others", async () => {
  const error = await onlyErrorOf(`${SOUND}__proto__: {admin: 1}\n`);
  assert.match(error.message, /unknown key "__proto__"/);
});

test("a file that is too large is refused unread", async (context) => {
  const path = join(temporaryFolder(context), "edge.yaml");
  writeFileSync(path, Buffer.alloc(MAX_CONFIG_BYTES + 1, "#"));
  await assert.rejects(loadConfig(path, {}), /is larger than 16777216 bytes/);
});

test("a file that is not there, a folder and broken UTF-8 are named", async (context) => {
  const folder = temporaryFolder(context);
  await assert.rejects(
    loadConfig(join(folder, "none.yaml"), {}),
    /none.yaml:1:1: cannot read .*: no such file/,
  );
  await assert.rejects(loadConfig(folder, {}), /is not a file/);
  const path = join(folder, "edge.yaml");
  writeFileSync(path, Buffer.concat([Buffer.from("a: é\nb: "), Buffer.from([0xff]), Buffer.from("\n")]));
  await assert.rejects(loadConfig(path, {}), /edge.yaml:2:4: not UTF-8 text/);
});

test("anchors and merges say things once", async () => {
  const text = `listeners:
  a: &base {address: ":0", protocol: http, timeouts: {idle: 7s}}
  b: {<<: *base, address: "127.0.0.1:0"}
routes:
  - {name: r, backendRefs: [{name: u}]}
upstreams:
  u: {servers: [{url: "http://[::1]:9000"}]}
`;
  const { config } = await parse(text);
  assert.equal(config.listeners["b"]?.timeouts.idle, "7s");
  assert.equal(config.listeners["b"]?.address, "127.0.0.1:0");
  const error = await onlyErrorOf(text.replace("idle: 7s", "idle: 7x").replace(/ {2}b:.*\n/, ""));
  assert.equal(error.line, 2);
});

test("a mistake inside a merged map is shown where it was written", async () => {
  const text = SOUND.replace("  web:\n", "  web:\n    <<: {timeouts: {idle: never}}\n");
  const error = await onlyErrorOf(text);
  assert.equal(`${error.line}:${error.column}`, "3:27");
});

test("variables are put into scalars, with types where nothing is quoted", async () => {
  const text = `${SOUND}workers: \${WORKERS:-3}\naccessLog: {enabled: "\${NOT:-}true"}\n`;
  await assert.rejects(parse(text), /expected true or false/);
  const good = `${SOUND}workers: \${WORKERS:-3}\nstate: {dir: "a$$b\${X}c"}\n`;
  const { config } = await parse(good, { X: "-x-" });
  assert.equal(config.workers, 3);
  assert.equal(config.state.dir, "a$b-x-c");
  assert.equal((await parse(good, { X: "", WORKERS: "5" })).config.workers, 5);
});

test("what a variable holds is never shown", async () => {
  const secret = "hunter2";
  const { message } = await errorsOf(`${SOUND}workers: \${SECRET}\nadmin: {token: "\${SECRET}"}\n`, {
    SECRET: secret,
  });
  assert.ok(!message.includes(secret), message);
  const plain = await errorsOf(`${SOUND}admin: {token: "${secret}"}\n`);
  assert.ok(!plain.message.includes(secret), plain.message);
});

test("the shown configuration has no keys, no tokens and no secret header values", async () => {
  const filters = `    filters:\n      - requestHeaderModifier: {set: [{name: Authorization, value: Bearer s3cret}]}\n`;
  const text = `${SOUND.replace("  - name: all\n", `  - name: all\n${filters}`)}admin: {token: 0123456789abcdef-s3cret}\ncertificates: {c: {selfSigned: true}}\n`;
  const { config } = await parse(text);
  const shown = JSON.stringify(publicConfig(config));
  assert.ok(!shown.includes("s3cret"), shown);
  assert.ok(!shown.includes("PRIVATE KEY"));
});

test("parts that nothing uses are warnings", async () => {
  const { warnings } = await parse(
    `${SOUND}  spare:\n    servers: [{url: "http://10.0.0.1:80"}]\ncertificates: {c: {selfSigned: true}}\n`,
  );
  assert.deepEqual(
    warnings.map(({ line, path }) => [line, path]),
    [
      [13, "upstreams.spare"],
      [15, "certificates.c"],
    ],
  );
});

test("a route that can never get a request is a warning", async () => {
  const twins = `  - {name: twin, listeners: [web], backendRefs: [{name: app}]}
  - {name: other, hostnames: [a.org], backendRefs: [{name: app}]}
  - {name: partly, hostnames: [A.org, b.org], backendRefs: [{name: app}]}
`;
  const { warnings } = await parse(SOUND.replace("upstreams:", `${twins}upstreams:`));
  assert.deepEqual(
    warnings.map(({ path, message }) => [path, message]),
    [["routes[1]", 'route "all" takes everything of this one']],
  );
});

test("every file that was named is handed out for watching", async (context) => {
  const folder = temporaryFolder(context);
  const authority = new CertificateAuthority(folder);
  authority.issue("www", ["www.example.org"]);
  writeFileSync(join(folder, "token"), "0123456789abcdef\n");
  const text = `listeners:
  web:
    address: 127.0.0.1:0
    protocol: https
    tls: {certificates: [www], clientAuth: {mode: optional, ca: ca.crt}}
certificates: {www: {certFile: www.crt, keyFile: ./www.key}}
admin: {address: "0.0.0.0:0", tokenFile: token}
routes: [{name: r, backendRefs: [{name: u}]}]
upstreams: {u: {servers: [{url: "http://127.0.0.1:1"}]}}
`;
  const path = join(folder, "edge.yaml");
  writeFileSync(path, text);
  const { config, files } = await loadConfig(path, {});
  assert.equal(files[0], path);
  assert.deepEqual(
    [...files].sort(),
    ["ca.crt", "edge.yaml", "token", "www.crt", "www.key"].map((name) => join(folder, name)),
  );
  assert.equal(config.materials.adminToken, "0123456789abcdef");
  assert.deepEqual(config.materials.certificates.get("www")?.hostnames, ["www.example.org"]);
});

test("a key of another certificate is refused at its keyFile", async (context) => {
  const folder = temporaryFolder(context);
  const authority = new CertificateAuthority(folder);
  authority.issue("a", ["a.org"]);
  authority.issue("b", ["b.org"], "rsa");
  const text = `${SOUND}certificates:\n  c:\n    certFile: ${folder}/a.crt\n    keyFile: ${folder}/b.key\n`;
  const error = await onlyErrorOf(text);
  assert.equal(`${error.line}:${error.column}`, "16:14");
  assert.match(error.message, /b.key is not the key of .*a.crt/);
});

test("broken, empty and encrypted certificate files are told apart", async (context) => {
  const folder = temporaryFolder(context);
  const { cert, key } = new CertificateAuthority(folder).issue("a", ["a.org"]);
  const load = async (certText: string, keyText: string) => {
    writeFileSync(join(folder, "x.crt"), certText);
    writeFileSync(join(folder, "x.key"), keyText);
    return onlyErrorOf(`${SOUND}certificates: {c: {certFile: ${folder}/x.crt, keyFile: ${folder}/x.key}}\n`);
  };
  assert.match((await load("", key)).message, /no certificate in this file/);
  assert.match(
    (await load(cert.replace(/\n[A-Za-z0-9+/]{20}/, "\nAAAA"), key)).message,
    /broken certificate/,
  );
  assert.match((await load(cert, cert)).message, /no private key/);
  assert.match(
    (await load(cert, key.replace(/\n[A-Za-z0-9+/]{20}/, "\nAAAA"))).message,
    /broken private key/,
  );
  const encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n";
  assert.match((await load(cert, encrypted)).message, /the key is encrypted/);
});

test("names a certificate is not for, and keys everybody can read, are warnings", async (context) => {
  const folder = temporaryFolder(context);
  const { certFile, keyFile } = new CertificateAuthority(folder).issue("a", ["a.org", "*.a.org"]);
  chmodSync(keyFile, 0o644);
  const text = `listeners: {web: {address: ":0", protocol: https, tls: {certificates: [c]}}}
certificates:
  c:
    hostnames: [a.org, www.a.org, other.org]
    certFile: ${certFile}
    keyFile: ${keyFile}
routes: [{name: r, backendRefs: [{name: u}]}]
upstreams: {u: {servers: [{url: "http://127.0.0.1:1"}]}}
`;
  const { warnings } = await parse(text);
  assert.deepEqual(
    warnings.map(({ path }) => path),
    ["certificates.c.keyFile", "certificates.c.hostnames[2]"],
  );
});

test("a folder for state is only written to when a configuration is good and meant to run", async (context) => {
  const folder = temporaryFolder(context);
  const state = join(folder, "state");
  mkdirSync(state);
  const path = join(folder, "edge.yaml");
  const text = `${SOUND}certificates: {c: {selfSigned: true}}\nstate: {dir: state}\n`;
  writeFileSync(path, `${text}workers: 0\n`);
  await assert.rejects(loadConfig(path, {}), ConfigErrors);
  writeFileSync(path, text);
  await loadConfig(path, {}, { readOnly: true });
  assert.deepEqual(readdirSync(state), []);
  await loadConfig(path, {});
  assert.deepEqual(readdirSync(join(state, "certificates")).sort(), ["c.crt", "c.key"]);
});

test("ten thousand hosts are nothing special", async () => {
  const hosts = Array.from({ length: 10_000 }, (_, index) => `      - host${index}.example.org\n`).join("");
  const { config } = await parse(SOUND.replace("  - name: all\n", `  - name: all\n    hostnames:\n${hosts}`));
  assert.equal(config.routes[0]?.hostnames.length, 10_000);
});

test("ten thousand routes load, and a mistake in the last one has its place", async () => {
  const routes = Array.from(
    { length: 10_000 },
    (_, index) => `  - {name: r${index}, hostnames: [h${index}.example.org], backendRefs: [{name: app}]}\n`,
  ).join("");
  const text = SOUND.replace("upstreams:", `${routes}upstreams:`);
  assert.equal((await parse(text)).config.routes.length, 10_001);
  const error = await onlyErrorOf(text.replace("[h9999.example.org]", "[h9999.example.org/x]"));
  assert.equal(error.line, 10_008);
  assert.equal(error.suggestion, "h9999.example.org");
});
