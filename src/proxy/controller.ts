// SPDX-License-Identifier: Apache-2.0
// The control plane's centre: owns the data plane and carries every change of configuration to it, one at a time.
// A change is loaded, compiled and offered; only when the data plane has taken it does anything here change too.
import type { ConfigDocument, EscalationRule, OpenEndpoints } from "../config/index.ts";
import type { ControlFacts } from "../metrics/control_metrics.ts";
import type { Counters } from "../metrics/counters.ts";
import type { Addon, Versions } from "./addon.ts";
import type { BanEntry } from "./bans.ts";
import { describeCertificates } from "./certificate_info.ts";
import { type Clock, systemClock } from "./clock.ts";
import { type ConfigSource, type Loaded, restartDifferences } from "./config_source.ts";
import type {
  ApplyResult,
  CertificateInfo,
  Controller,
  ControllerState,
  ExplainRequest,
  ListenerAddress,
  SessionAction,
  UpstreamState,
} from "./control.ts";
import { type DemoService, startDemo } from "./demo.ts";
import { type DeviceFacts, type DeviceReport, withoutAnswer } from "./device.ts";
import { drained } from "./drained.ts";
import { type ErrorDetail, fromNative, NotRunningError } from "./errors.ts";
import type { EventLog } from "./event_log.ts";
import { explainRequest } from "./explain.ts";
import type { Logger } from "./logger.ts";
import type { NameLookup } from "./name_lookup.ts";
import { createPlane, type Plane } from "./plane.ts";
import { createPolicing, type Policing } from "./policing.ts";
import { createReloadRecord, type ReloadRecord } from "./reload_record.ts";
import { createEndpointResolver, type EndpointResolver, type ResolverStatus } from "./resolver.ts";
import { createSerial } from "./serial.ts";
import type { SessionInfo, SessionSelector } from "./sessions.ts";
import type { Ban, Snapshot } from "./snapshot.ts";
import { createTickets, type TicketChange, type Tickets } from "./tickets.ts";

const kDemoKey = "builtin:demo";
const kResolveWaitMs = 3_000; // how long a change waits for the first answer about new names

export interface ControllerOptions {
  readonly source: ConfigSource;
  readonly addon: Addon;
  readonly logger: Logger;
  readonly lookup: NameLookup;
  readonly version: string;
  readonly clock?: Clock;
  readonly onApplied?: (loaded: Loaded) => void; // after each accepted change, e.g. to watch other files
}

// What runs now. Replaced whole, after the data plane has taken it.
interface Running {
  readonly loaded: Loaded;
  readonly snapshot: Snapshot;
  readonly listeners: readonly ListenerAddress[];
  readonly certificates: readonly CertificateInfo[];
}

export class EdgeController implements Controller {
  readonly #options: ControllerOptions;
  readonly #clock: Clock;
  readonly #versions: Versions;
  readonly #serial = createSerial();
  readonly #reloads: ReloadRecord;
  readonly #policing: Policing;
  readonly #resolver: EndpointResolver;
  readonly #tickets: Tickets;
  #state: ControllerState = "new";
  #plane: Plane | null = null;
  #running: Running | null = null;
  #demo: DemoService | null = null;
  #draining: Promise<void> | null = null;

  constructor(options: ControllerOptions) {
    const { logger, lookup } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#versions = options.addon.versions();
    this.#reloads = createReloadRecord(this.#clock);
    this.#policing = createPolicing({
      clock: this.#clock,
      logger,
      publish: (bans) => this.#plane?.setBans(bans),
    });
    this.#tickets = createTickets(() => this.#refreshSoon("ticket keys"));
    this.#resolver = createEndpointResolver({
      lookup,
      clock: this.#clock,
      changed: (key, endpoints) => this.#plane?.setEndpoints(key, endpoints),
      failed: (host, error) => logger.warn({ host, reason: fromNative(error).message }, "name not resolved"),
    });
  }

  // ---- changing what runs ----

  // Takes a configuration that was loaded already: the caller needs parts of it first (the admin API's address).
  start(loaded: Loaded): Promise<ApplyResult> {
    return this.#serial(async () => {
      if (this.#state !== "new") throw new NotRunningError(`state: ${this.#state}`);
      this.#state = "starting";
      const onEvents = this.#policing.observe;
      this.#plane = createPlane(this.#options.addon, { ...loaded.planeOptions, onEvents });
      const result = await this.#offer(loaded);
      if (this.#state === "starting") this.#state = "ready";
      return result;
    });
  }

  reload(): Promise<ApplyResult> {
    return this.#change("reload", () => this.#options.source.readFile());
  }

  apply(text: string): Promise<ApplyResult> {
    return this.#change("apply", () => this.#options.source.parse(text));
  }

  // The running document again, with what the files it names hold now.
  refresh(cause: string): Promise<ApplyResult> {
    return this.#change(cause, () => this.#options.source.parse(this.#current().loaded.text));
  }

  async validate(text: string): Promise<{ readonly warnings: readonly ErrorDetail[] }> {
    try {
      const { warnings } = await this.#options.source.parse(text, { readOnly: true });
      return { warnings };
    } catch (error) {
      throw fromNative(error);
    }
  }

  // For causes inside the process: the outcome is in the log, nobody waits for it.
  #refreshSoon(cause: string): void {
    this.refresh(cause).catch(() => undefined);
  }

  async #change(cause: string, load: () => Promise<Loaded>): Promise<ApplyResult> {
    this.#expectReady();
    return this.#serial(async () => {
      this.#expectReady();
      try {
        const result = await this.#offer(await load());
        this.#options.logger.info({ cause, generation: result.generation }, "configuration applied");
        return result;
      } catch (thrown) {
        const error = fromNative(thrown);
        this.#reloads.failed();
        this.#options.logger.error(
          { cause, code: error.code, reason: error.message },
          "configuration refused",
        );
        throw error;
      }
    });
  }

  // Either all of it happens or nothing.
  async #offer(loaded: Loaded): Promise<ApplyResult> {
    const before = this.#running;
    const tickets = await this.#tickets.prepare(loaded.tickets);
    try {
      this.#running = await this.#takeOver(loaded, tickets);
    } catch (error) {
      tickets.refuse();
      await this.#watchNames(before === null ? [] : [before.loaded.open], 0);
      throw fromNative(error);
    }
    await this.#accepted(this.#running, tickets);
    const needsRestart = before === null ? [] : restartDifferences(before.loaded, loaded);
    return {
      generation: this.generation,
      listeners: this.listeners(),
      warnings: loaded.warnings,
      needsRestart,
    };
  }

  async #takeOver(loaded: Loaded, tickets: TicketChange): Promise<Running> {
    const endpoints = await this.#findEndpoints(loaded.open);
    const generation = this.generation + 1;
    const snapshot = loaded.compile({ generation, ticketKeys: tickets.keys, endpoints });
    const certificates = describeCertificates(snapshot);
    const plane = this.#livePlane();
    const listeners = plane.apply(snapshot);
    await plane.settled(); // "applied" is true of all workers, removed listeners included
    return { loaded, snapshot, listeners, certificates };
  }

  // Addresses for named servers: those that are known or come in time. The rest follow by setEndpoints.
  async #findEndpoints(open: OpenEndpoints): Promise<ReadonlyMap<string, readonly string[]>> {
    if (open.builtins.has("demo")) this.#demo ??= await startDemo();
    const known = this.#running === null ? [] : [this.#running.loaded.open];
    await this.#watchNames([...known, open], kResolveWaitMs);
    // No await from here to apply(): what the resolver learns later must meet the new snapshot.
    const endpoints = new Map(open.named.map(({ key }) => [key, this.#resolver.endpoints(key)]));
    if (this.#demo !== null) endpoints.set(kDemoKey, [this.#demo.address]);
    return endpoints;
  }

  async #accepted({ loaded }: Running, tickets: TicketChange): Promise<void> {
    await tickets.accept();
    await this.#watchNames([loaded.open], 0);
    this.#policing.setRules(loaded.escalationRules);
    this.#reloads.succeeded();
    this.#options.onApplied?.(loaded);
  }

  #watchNames(open: readonly OpenEndpoints[], waitMs: number): Promise<void> {
    return this.#resolver.watch(
      open.flatMap(({ named }) => named),
      waitMs,
    );
  }

  // ---- stopping ----

  drain(): Promise<void> {
    if (this.#state === "ready") this.#state = "draining";
    this.#draining ??= this.#serial(() => this.#drain());
    return this.#draining;
  }

  async #drain(): Promise<void> {
    if (this.#plane === null) return;
    const limitMs = this.#running?.snapshot.limits.drainMs ?? 0;
    this.#options.logger.info({ sessions: this.#activeSessions(), limitMs }, "draining");
    this.#plane.drain();
    const empty = await drained(() => this.#activeSessions(), limitMs, this.#clock);
    if (!empty) this.#options.logger.warn({ sessions: this.#activeSessions() }, "drain time is up");
  }

  async stop(): Promise<void> {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    this.#tickets.stop();
    this.#resolver.close();
    this.#policing.close();
    this.#plane?.stop();
    this.#plane = null;
    await this.#demo?.close();
  }

  // ---- what is there ----

  get state(): ControllerState {
    return this.#state;
  }

  get generation(): number {
    return this.#running?.snapshot.generation ?? 0;
  }

  get events(): EventLog {
    return this.#policing.events;
  }

  config(): ConfigDocument {
    return this.#current().loaded.document;
  }

  snapshot(): Snapshot | null {
    return this.#running?.snapshot ?? null;
  }

  listeners(): readonly ListenerAddress[] {
    return this.#running?.listeners ?? [];
  }

  certificates(): readonly CertificateInfo[] {
    return this.#running?.certificates ?? [];
  }

  upstreams(): readonly UpstreamState[] {
    return this.#livePlane().upstreams();
  }

  names(): readonly ResolverStatus[] {
    return this.#resolver.status();
  }

  escalationRules(): readonly EscalationRule[] {
    return this.#policing.rules();
  }

  counters(): Counters | null {
    return this.#plane?.counters() ?? null;
  }

  facts(): ControlFacts {
    const certificates = this.certificates().map(({ name, notAfter }) => ({
      name,
      notAfterMs: Date.parse(notAfter),
    }));
    const device = this.device();
    return {
      build: {
        version: this.#options.version,
        node: process.version,
        ...this.#versions,
        ...engineOf(device),
      },
      generation: this.generation,
      ready: this.#state === "ready" && device?.state === "ready",
      reloads: this.#reloads.read(),
      certificates,
      bans: this.bans(),
      bansTotal: this.#policing.imposed,
      unresolvedNames: new Set(
        this.names()
          .filter(({ error }) => error !== "")
          .map(({ host }) => host),
      ).size,
    };
  }

  // ---- by hand ----

  sessions(selector: SessionSelector): Promise<readonly SessionInfo[]> {
    return this.#livePlane().sessions(selector);
  }

  async act(selector: SessionSelector, action: SessionAction): Promise<number> {
    const affected = await this.#livePlane().act(selector, action);
    this.#options.logger.info({ selector, action, affected }, "sessions ended by an operator");
    return affected;
  }

  explain(request: ExplainRequest): unknown {
    return explainRequest(this.#options.addon, this.#current().snapshot, this.listeners(), request);
  }

  device(): DeviceFacts | null {
    return this.#plane?.device() ?? null;
  }

  // A device in trouble is not asked: whoever wants to know should not wait for it.
  async askDevice(): Promise<DeviceReport | null> {
    const known = this.device();
    if (known === null || known.state !== "ready") return known && withoutAnswer(known);
    return this.#livePlane().askDevice();
  }

  async resetDevice(preserve: boolean): Promise<DeviceFacts> {
    await this.#livePlane().resetDevice(preserve);
    this.#options.logger.info({ preserve }, "device reset by an operator");
    return this.#livePlane().device();
  }

  bans(): readonly BanEntry[] {
    return this.#policing.bans();
  }

  unban(by: Ban["by"], value: string): boolean {
    return this.#policing.unban(by, value);
  }

  unbanAll(): number {
    return this.#policing.unbanAll();
  }

  reopenAccessLog(): void {
    this.#livePlane().reopenAccessLog();
  }

  #activeSessions(): number {
    return this.#plane?.counters().sessions.active ?? 0;
  }

  #expectReady(): void {
    if (this.#state !== "ready") throw new NotRunningError(`state: ${this.#state}`);
  }

  #current(): Running {
    if (this.#running === null) throw new NotRunningError(`state: ${this.#state}`);
    return this.#running;
  }

  #livePlane(): Plane {
    if (this.#plane === null) throw new NotRunningError(`state: ${this.#state}`);
    return this.#plane;
  }
}

function engineOf(device: DeviceFacts | null): { readonly engine?: string } {
  return device === null ? {} : { engine: device.engine };
}
