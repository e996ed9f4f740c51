// SPDX-License-Identifier: Apache-2.0
// Where and with what a run was made: figures without it mean nothing.
import { cpus, release } from "node:os";
import type { Lab } from "./lab.ts";
import type { ProxyName } from "./options.ts";
import type { Contender, RunningProxy } from "./proxy.ts";

export interface Environment {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly proxies: Readonly<Partial<Record<ProxyName, string>>>; // version and what it negotiates
}

// What a client of the run gets, asked for with openssl, because a proxy on a weaker cipher would be no comparison.
async function negotiated(lab: Lab, proxy: RunningProxy): Promise<string> {
  const address = `127.0.0.1:${proxy.port}`;
  const { stdout } = await lab.processes.run(
    ["openssl", "s_client", "-connect", address, "-servername", "localhost", "-alpn", "http/1.1"],
    lab.clientEnv,
  );
  const cipher = /^New, (\S+), Cipher is (\S+)$/m.exec(stdout);
  const group = /^Server Temp Key: ([^,\n]+)/m.exec(stdout)?.[1];
  if (cipher === null)
    throw new Error(`${proxy.name} refuses TLS 1.3 with AES-128-GCM and X25519:\n${stdout}`);
  return [cipher[1], cipher[2], group].filter((word) => word !== undefined).join(" ");
}

export async function describe(lab: Lab, proxies: readonly Contender[]): Promise<Environment> {
  const described: Partial<Record<ProxyName, string>> = {};
  for (const proxy of proxies) {
    const running = await proxy.start(lab, "http1");
    described[proxy.name] = `${await proxy.version(lab)}: ${await negotiated(lab, running)}`;
    await running.stop();
  }
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    cpu: cpus()[0]?.model ?? "unknown CPU",
    cores: cpus().length,
    kernel: release(),
    proxies: described,
  };
}
