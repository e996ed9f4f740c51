// SPDX-License-Identifier: Apache-2.0
// nginx under the shim: a master and two workers that serve a folder, in the clear and over TLS.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, waitForPort } from "../../loadtest/support/network.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { textOf } from "../support/lines.ts";
import { eventually, type Scope, temporaryFolder } from "../support/scope.ts";
import type { Shim, Started } from "./shim.ts";

export const fileBytes = 2_000_000;

// Only root may change users, and a worker that did could not look into the test's folder.
const user = process.getuid?.() === 0 ? "user root;" : "";

interface How {
  readonly sendfile?: boolean; // default: true
  readonly daemon?: boolean; // else in the foreground, where nginx does not exchange its program
}

export class Nginx {
  readonly port: number;
  readonly tlsPort: number;
  readonly started: Started;
  readonly #folder: string;

  private constructor(scope: Scope, shim: Shim, ports: readonly [number, number], how: How) {
    [this.port, this.tlsPort] = ports;
    this.#folder = temporaryFolder(scope);
    writeFileSync(this.file, randomBytes(fileBytes));
    writeFileSync(join(this.#folder, "small"), "small\n");
    const site = new CertificateAuthority(this.#folder).issue("site", ["localhost"]);
    const file = join(this.#folder, "nginx.conf");
    const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    const temporary = paths.map((name) => `${name}_temp_path ${this.#folder}/${name};`).join("\n  ");
    writeFileSync(
      file,
      `
daemon ${how.daemon ? "on" : "off"};
${user}
worker_processes 2;
worker_shutdown_timeout 5s;
pid ${this.#pidFile};
error_log ${this.#log} notice;
events { worker_connections 256; }
http {
  access_log off;
  ${temporary}
  sendfile ${how.sendfile === false ? "off" : "on"};
  server {
    listen 127.0.0.1:${this.port};
    listen 127.0.0.1:${this.tlsPort} ssl http2;
    ssl_certificate ${site.certFile};
    ssl_certificate_key ${site.keyFile};
    root ${this.#folder};
  }
}
`,
    );
    this.started = shim.start(scope, "nginx", ["-c", file, "-e", this.#log], {}, "SIGQUIT");
  }

  static async start(scope: Scope, shim: Shim, how: How = {}): Promise<Nginx> {
    const nginx = new Nginx(scope, shim, [await freePort(), await freePort()], how);
    if (how.daemon) await nginx.#becomesDaemon(scope);
    const alive = (): boolean => how.daemon === true || nginx.started.running;
    for (const port of [nginx.port, nginx.tlsPort]) {
      if (!(await waitForPort(port, alive))) throw new Error(`nginx is not ready: ${nginx.log}`);
    }
    return nginx;
  }

  // A session of its own, so not in the group of what was started.
  async #becomesDaemon(scope: Scope): Promise<void> {
    assert.equal(await this.started.ended(), 0, this.log);
    const group = this.master;
    scope.after(() => {
      try {
        process.kill(-group, "SIGKILL");
      } catch {
        // it has ended
      }
    });
  }

  // Ends it as its operator would, and nothing may have gone wrong on the way.
  async stop(): Promise<void> {
    process.kill(this.master, "SIGQUIT");
    await eventually(
      () => this.master,
      (pid) => pid === 0,
      "nginx to end",
    );
    await this.started.ended();
    assert.doesNotMatch(this.log, /\[(alert|crit|emerg)\]/);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  get tlsUrl(): string {
    return `https://127.0.0.1:${this.tlsPort}/`;
  }

  // Where the large file is.
  get file(): string {
    return join(this.#folder, "large");
  }

  get log(): string {
    return textOf(this.#log);
  }

  get #log(): string {
    return join(this.#folder, "error.log");
  }

  get #pidFile(): string {
    return join(this.#folder, "pid");
  }

  // The master that is in charge.
  get master(): number {
    return Number(textOf(this.#pidFile));
  }

  // Waits until another master is in charge, with workers of its own; resolves with its process id.
  async successor(of: number): Promise<number> {
    await eventually(
      () => this.master,
      (pid) => pid !== 0 && pid !== of && workersOf(pid).length === 2,
      "a new master with two workers",
    );
    return this.master;
  }
}

export function workersOf(master: number): number[] {
  const names = textOf(`/proc/${master}/task/${master}/children`).trim().split(" ");
  return names.filter((name) => name !== "").map(Number);
}
