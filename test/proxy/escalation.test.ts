// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EscalationRule } from "../../src/config/index.ts";
import { type BanEntry, createBanList } from "../../src/proxy/bans.ts";
import { createEscalation } from "../../src/proxy/escalation.ts";
import type { PolicyEvent } from "../../src/proxy/events.ts";
import type { Ban } from "../../src/proxy/snapshot.ts";
import { createManualClock, settle } from "./manual_clock.ts";

const minute = 60_000;

const rule: EscalationRule = {
  policy: "edge",
  trigger: null,
  after: 3,
  withinMs: minute,
  by: "client",
  action: "abort",
  status: 0,
  banMs: 10 * minute,
};

function harness(rules: readonly EscalationRule[], maxKeys = 100) {
  const clock = createManualClock();
  const banned: BanEntry[] = [];
  const escalation = createEscalation({ clock, maxKeys, ban: (entry) => banned.push(entry) });
  escalation.setRules(rules);
  const incident = (fields: Partial<PolicyEvent> = {}, times = 1): void => {
    for (let index = 0; index < times; index += 1) escalation.observe(policyEvent(clock.now(), fields));
  };
  return { clock, banned, escalation, incident };
}

function policyEvent(timeMs: number, fields: Partial<PolicyEvent>): PolicyEvent {
  return {
    type: "policy",
    timeMs,
    session: 1,
    listener: "https",
    client: "192.0.2.1",
    sni: "shop.example",
    route: "",
    upstream: "",
    policy: "edge",
    trigger: "protocolError",
    action: "respond",
    status: 400,
    reason: "bad_request",
    ...fields,
  };
}

test("the Nth incident within the window bans the client, for as long as the rule says", () => {
  const { banned, clock, incident } = harness([rule]);
  incident({}, 2);
  assert.equal(banned.length, 0);
  incident();
  assert.deepEqual(banned, [
    {
      policy: "edge",
      by: "client",
      value: "192.0.2.1",
      action: "abort",
      status: 0,
      sinceMs: clock.now(),
      untilMs: clock.now() + 10 * minute,
    },
  ]);
});

test("incidents older than the window do not count", async () => {
  const { banned, clock, incident } = harness([rule]);
  incident({}, 2);
  await clock.advance(minute + 1);
  incident({}, 2);
  assert.equal(banned.length, 0);
});

test("the window slides: incidents spread over two windows still meet within one", async () => {
  const { banned, clock, incident } = harness([rule]);
  await clock.advance(minute - 1_000);
  incident({}, 2);
  await clock.advance(2_000);
  incident();
  assert.equal(banned.length, 1);
});

test("each client is counted apart", () => {
  const { banned, incident } = harness([rule]);
  for (const client of ["192.0.2.1", "192.0.2.2", "2001:db8::1"]) incident({ client }, 2);
  assert.equal(banned.length, 0);
  incident({ client: "2001:db8::1" });
  assert.deepEqual(
    banned.map(({ value }) => value),
    ["2001:db8::1"],
  );
});

test("by sni and by route count what the event names, and nothing where it names none", () => {
  const { banned, incident } = harness([
    { ...rule, by: "sni" },
    { ...rule, by: "route" },
  ]);
  incident({ sni: "", route: "" }, 5);
  assert.equal(banned.length, 0);
  incident({ sni: "a.example", route: "shop" }, 3);
  assert.deepEqual(
    banned.map(({ by, value }) => [by, value]),
    [
      ["sni", "a.example"],
      ["route", "shop"],
    ],
  );
});

test("a rule for one trigger ignores the others, a rule for any ignores what no client is to blame for", () => {
  const { banned, incident } = harness([{ ...rule, trigger: "rateLimited" }]);
  incident({ trigger: "protocolError" }, 9);
  assert.equal(banned.length, 0);
  incident({ trigger: "rateLimited" }, 3);
  assert.equal(banned.length, 1);

  const any = harness([rule]);
  for (const trigger of ["upstreamTimeout", "idle", "overload", "drain", "admin", "ban"] as const)
    any.incident({ trigger }, 9);
  assert.equal(any.banned.length, 0);
});

test("another policy's incidents do not count", () => {
  const { banned, incident } = harness([rule]);
  incident({ policy: "internal" }, 9);
  assert.equal(banned.length, 0);
});

test("after a ban counting starts again from zero", () => {
  const { banned, incident } = harness([rule]);
  incident({}, 5);
  assert.equal(banned.length, 1);
  incident();
  assert.equal(banned.length, 2);
});

test("a ban that answers names a status even if the rule does not", () => {
  const { banned, incident } = harness([{ ...rule, action: "respond" }]);
  incident({}, 3);
  assert.equal(banned[0]?.status, 403);
});

test("a million clients need no more memory than the table's limit", () => {
  const { escalation, incident } = harness([rule], 50);
  for (let index = 0; index < 10_000; index += 1) incident({ client: `10.0.${index >> 8}.${index & 255}` });
  assert.equal(escalation.trackedKeys, 50);
});

test("an active offender is not pushed out of the table by strangers", () => {
  const { banned, incident } = harness([{ ...rule, after: 10 }], 5);
  for (let round = 0; round < 10; round += 1) {
    incident({ client: "192.0.2.1" });
    for (let other = 0; other < 4; other += 1) incident({ client: `10.${round}.${other}.1` });
  }
  assert.deepEqual(
    banned.map(({ value }) => value),
    ["192.0.2.1"],
  );
});

test("a reload that keeps a rule keeps its counts, one that changes it starts anew", () => {
  const { banned, escalation, incident } = harness([rule]);
  incident({}, 2);
  escalation.setRules([{ ...rule }]);
  incident();
  assert.equal(banned.length, 1);
  incident({}, 2);
  escalation.setRules([{ ...rule, after: 2 }]);
  incident();
  assert.equal(banned.length, 1);
});

function banHarness(maxBans = 10) {
  const clock = createManualClock();
  const published: (readonly Ban[])[] = [];
  const bans = createBanList({ clock, maxBans, publish: (list) => published.push(list) });
  const add = (value: string, forMs: number): void =>
    bans.add({
      policy: "edge",
      by: "client",
      value,
      action: "abort",
      status: 0,
      sinceMs: clock.now(),
      untilMs: clock.now() + forMs,
    });
  return { clock, published, bans, add };
}

test("bans of one batch are published once, and without what the data plane does not know", async () => {
  const { published, add } = banHarness();
  add("192.0.2.1", minute);
  add("192.0.2.2", minute);
  await settle();
  assert.equal(published.length, 1);
  assert.deepEqual(Object.keys(published[0]?.[0] ?? {}).sort(), [
    "action",
    "by",
    "status",
    "untilMs",
    "value",
  ]);
});

test("a ban ends by itself at its time and is taken from the data plane", async () => {
  const { clock, published, bans, add } = banHarness();
  add("192.0.2.1", minute);
  add("192.0.2.2", 2 * minute);
  await settle();
  await clock.advance(minute);
  assert.deepEqual(
    published.at(-1)?.map(({ value }) => value),
    ["192.0.2.2"],
  );
  await clock.advance(minute);
  assert.deepEqual(published.at(-1), []);
  assert.equal(bans.list().length, 0);
  assert.equal(clock.pending, 0);
});

test("a ban can be lifted by hand, once", async () => {
  const { published, bans, add } = banHarness();
  add("192.0.2.1", minute);
  assert.equal(bans.remove("client", "192.0.2.1"), true);
  assert.equal(bans.remove("client", "192.0.2.1"), false);
  await settle();
  assert.deepEqual(published.at(-1), []);
});

test("when the list is full the ban that ends first gives way", () => {
  const { bans, add } = banHarness(2);
  add("192.0.2.1", 3 * minute);
  add("192.0.2.2", minute);
  add("192.0.2.3", 2 * minute);
  assert.deepEqual(
    bans.list().map(({ value }) => value),
    ["192.0.2.1", "192.0.2.3"],
  );
});
