// SPDX-License-Identifier: Apache-2.0
// The tests' own C programs, compiled when they are needed: clients of the device, and Unix sockets of kinds that
// Node does not speak. CFLAGS are added: where the library has a sanitizer in it, they need it as well.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot, type Scope, temporaryFolder } from "../support/scope.ts";
import { libraryFolder, Running, type Toed } from "./daemon.ts";

const more = process.env["CFLAGS"]?.split(" ") ?? [];
const flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-pedantic", "-Werror", ...more];

function compile(scope: Scope, source: string, libraries: readonly string[]): string {
  const folder = temporaryFolder(scope);
  mkdirSync(folder, { recursive: true });
  const output = join(folder, source.replace(/\.c$/, ""));
  const include = join(repositoryRoot, "native/include");
  const path = join(import.meta.dirname, source);
  execFileSync("cc", [...flags, "-I", include, path, "-o", output, ...libraries], { stdio: "inherit" });
  return output;
}

const libmango = ["-L", libraryFolder, "-lmango", `-Wl,-rpath,${libraryFolder}`];

export class DeviceClients {
  readonly #program: string;

  constructor(scope: Scope) {
    this.#program = compile(scope, "device_client.c", libmango);
  }

  start(
    scope: Scope,
    toed: Pick<Toed, "address">,
    device: number,
    ...args: readonly (string | number)[]
  ): Running {
    return new Running(scope, this.#program, [toed.address, String(device), ...args.map(String)]);
  }

  // An echo server on the device, and its port.
  async echo(
    scope: Scope,
    toed: Pick<Toed, "address">,
    { device = 0, address = "127.0.0.1", port = 0 } = {},
  ): Promise<{ client: Running; port: number }> {
    const client = this.start(scope, toed, device, "echo", address, port);
    const line = await client.says("listening");
    return { client, port: Number(line.split(" ")[1]) };
  }
}

// The path of a program that opens and closes sessions (cycles.c says how).
export function cyclesProgram(scope: Scope): string {
  return compile(scope, "cycles.c", libmango);
}

export class OddSockets {
  readonly #program: string;

  constructor(scope: Scope) {
    this.#program = compile(scope, "sockets.c", []);
  }

  start(scope: Scope, ...args: readonly (string | number)[]): Running {
    return new Running(scope, this.#program, args.map(String));
  }
}
