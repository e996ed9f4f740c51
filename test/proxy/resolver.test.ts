// SPDX-License-Identifier: Apache-2.0
// Name resolution against a real DNS server; only time is ours.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createHostsFile, parseHosts } from "../../src/proxy/hosts_file.ts";
import { createNameLookup } from "../../src/proxy/name_lookup.ts";
import { createEndpointResolver, type EndpointResolver, type NamedServer } from "../../src/proxy/resolver.ts";
import { type DnsServer, startDnsServer } from "./dns_server.ts";
import { createManualClock, type ManualClock } from "./manual_clock.ts";

const app: NamedServer = { key: "http://app.test:8080", host: "app.test", port: 8080 };
const noHosts = createHostsFile("/nonexistent");

interface Harness {
  readonly dns: DnsServer;
  readonly clock: ManualClock;
  readonly resolver: EndpointResolver;
  readonly failures: string[];
  changed(): Promise<readonly [key: string, endpoints: readonly string[]]>; // the next change
  asked(count: number): Promise<void>; // so many lookups have ended
}

async function harness(t: TestContext): Promise<Harness> {
  const dns = await startDnsServer(t);
  const clock = createManualClock();
  const failures: string[] = [];
  let lookups = 0;
  const changes: (readonly [string, readonly string[]])[] = [];
  const waiting: (() => void)[] = [];
  const wake = (): void => {
    for (const each of waiting.splice(0)) each();
  };
  const until = async (done: () => boolean): Promise<void> => {
    while (!done()) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const ask = createNameLookup({
    servers: [dns.address],
    hosts: noHosts,
    useSystem: false,
    timeoutMs: 200,
    tries: 1,
  });
  const resolver = createEndpointResolver({
    lookup: (name) =>
      ask(name).finally(() => {
        setImmediate(() => {
          lookups += 1;
          wake();
        });
      }),
    clock,
    changed: (...change) => {
      changes.push(change);
      wake();
    },
    failed: (host) => failures.push(host),
    minTtlMs: 1_000,
    maxTtlMs: 60_000,
    retryMs: 5_000,
  });
  t.after(() => resolver.close());
  return {
    dns,
    clock,
    resolver,
    failures,
    async changed() {
      await until(() => changes.length > 0);
      return changes.shift() as readonly [string, readonly string[]];
    },
    asked: (count) => until(() => lookups >= count),
  };
}

test("both families are asked for, IPv4 comes first, the port is added", async (t) => {
  const { dns, resolver } = await harness(t);
  dns.zone.set("app.test", { addresses: ["2001:db8::7", "192.0.2.9", "192.0.2.1"], ttl: 30 });
  await resolver.watch([app], 1_000);
  assert.deepEqual(resolver.endpoints(app.key), ["192.0.2.1:8080", "192.0.2.9:8080", "[2001:db8::7]:8080"]);
  assert.deepEqual(dns.queries.toSorted(), ["A app.test", "AAAA app.test"]);
});

test("a name is asked for once, whatever many servers have it", async (t) => {
  const { dns, resolver } = await harness(t);
  dns.zone.set("app.test", { addresses: ["192.0.2.1"], ttl: 30 });
  const other = { key: "http://app.test:9090", host: "app.test", port: 9090 };
  await resolver.watch([app, other], 1_000);
  assert.deepEqual(resolver.endpoints(other.key), ["192.0.2.1:9090"]);
  assert.equal(dns.queries.length, 2);
});

test("it is asked again when the TTL is over, and a change is told", async (t) => {
  const { dns, resolver, clock, changed, asked } = await harness(t);
  dns.zone.set("app.test", { addresses: ["192.0.2.1"], ttl: 30 });
  await resolver.watch([app], 1_000);
  assert.deepEqual(await changed(), [app.key, ["192.0.2.1:8080"]]);
  await asked(1);
  dns.zone.set("app.test", { addresses: ["192.0.2.2"], ttl: 30 });
  await clock.advance(29_000);
  assert.equal(dns.queries.length, 2);
  await clock.advance(1_000);
  assert.deepEqual(await changed(), [app.key, ["192.0.2.2:8080"]]);
});

test("TTLs are clamped: zero does not make a storm, a week does not make a fossil", async (t) => {
  const { dns, resolver, clock, asked } = await harness(t);
  dns.zone.set("zero.test", { addresses: ["192.0.2.1"], ttl: 0 });
  dns.zone.set("week.test", { addresses: ["192.0.2.1"], ttl: 604_800 });
  const servers = ["zero", "week"].map((name) => ({
    key: `http://${name}.test:80`,
    host: `${name}.test`,
    port: 80,
  }));
  await resolver.watch(servers, 1_000);
  await asked(2);
  await clock.advance(999);
  assert.equal(dns.queries.length, 4);
  await clock.advance(1);
  await asked(3);
  assert.deepEqual(dns.queries.slice(4).toSorted(), ["A zero.test", "AAAA zero.test"]);
  await resolver.watch(servers.slice(1), 0);
  await clock.advance(59_000);
  await asked(4);
  assert.deepEqual(dns.queries.slice(6).toSorted(), ["A week.test", "AAAA week.test"]);
});

test("while resolution fails the last addresses stay, the failure is told once, and it recovers", async (t) => {
  const { dns, resolver, clock, failures, changed, asked } = await harness(t);
  dns.zone.set("app.test", { addresses: ["192.0.2.1"], ttl: 1 });
  await resolver.watch([app], 1_000);
  await changed();
  await asked(1);
  dns.zone.set("app.test", "servfail");
  await clock.advance(1_000);
  await asked(2);
  await clock.advance(5_000);
  await asked(3);
  assert.deepEqual(resolver.endpoints(app.key), ["192.0.2.1:8080"]);
  const [status] = resolver.status();
  assert.equal(status?.stale, true);
  assert.match(status?.error ?? "", /app\.test/);
  assert.deepEqual(failures, ["app.test"]);
  dns.zone.set("app.test", { addresses: ["192.0.2.3"], ttl: 30 });
  await clock.advance(5_000);
  assert.deepEqual(await changed(), [app.key, ["192.0.2.3:8080"]]);
  assert.equal(resolver.status()[0]?.stale, false);
});

test("a change waits no longer than it was told for a server that never answers", async (t) => {
  const { dns, resolver, clock } = await harness(t);
  dns.zone.set("app.test", "silent");
  const watching = resolver.watch([app], 50);
  await clock.advance(50);
  await watching;
  assert.deepEqual(resolver.endpoints(app.key), []);
});

test("a name that is no longer watched is no longer asked for", async (t) => {
  const { dns, resolver, clock, asked } = await harness(t);
  dns.zone.set("app.test", { addresses: ["192.0.2.1"], ttl: 5 });
  await resolver.watch([app], 1_000);
  await asked(1);
  await resolver.watch([], 0);
  await clock.advance(60_000);
  assert.equal(dns.queries.length, 2);
  assert.equal(clock.pending, 0);
});

test("what is watched before and after a reload keeps its addresses and its pace", async (t) => {
  const { dns, resolver, asked } = await harness(t);
  dns.zone.set("app.test", { addresses: ["192.0.2.1"], ttl: 30 });
  await resolver.watch([app], 1_000);
  await asked(1);
  await resolver.watch([app], 1_000);
  assert.deepEqual(resolver.endpoints(app.key), ["192.0.2.1:8080"]);
  assert.equal(dns.queries.length, 2);
});

test("the hosts file comes before DNS and is read again when it changes", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "mango-hosts-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const dns = await startDnsServer(t);
  dns.zone.set("app.test", { addresses: ["192.0.2.99"], ttl: 30 });
  const path = join(folder, "hosts");
  writeFileSync(path, "192.0.2.1 App.test # the app\n");
  const lookup = createNameLookup({ servers: [dns.address], hosts: createHostsFile(path), useSystem: false });
  assert.deepEqual(await lookup("app.test"), { addresses: ["192.0.2.1"], ttlMs: null });
  writeFileSync(path, "# nothing now\n");
  utimesSync(path, 1, 1);
  assert.deepEqual(await lookup("app.test"), { addresses: ["192.0.2.99"], ttlMs: 30_000 });
});

test("localhost is found on the system's own word, without a DNS server", async (t) => {
  const dns = await startDnsServer(t);
  const lookup = createNameLookup({ servers: [dns.address], hosts: noHosts });
  const { addresses } = await lookup("localhost");
  assert.ok(addresses.includes("127.0.0.1") || addresses.includes("::1"), addresses.join());
});

test("hosts files are parsed with comments, tabs, several names and addresses", () => {
  const hosts = parseHosts(
    "127.0.0.1\tlocalhost loopback\n::1 localhost ip6-localhost\n#10.0.0.1 no\nbad line\n\nfe80::1%lo0 zone\n",
  );
  assert.deepEqual(hosts.get("localhost"), ["127.0.0.1", "::1"]);
  assert.deepEqual(hosts.get("loopback"), ["127.0.0.1"]);
  assert.equal(hosts.has("no"), false);
  assert.equal(hosts.has("line"), false);
});
