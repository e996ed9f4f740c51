// SPDX-License-Identifier: Apache-2.0
// What concerns the process as a whole: the engine below, the admin API, the limits.
import { isLoopback, parseListenAddress } from "../addresses.ts";
import { bytes } from "../units.ts";
import type { CheckContext } from "./context.ts";

const MIN_BUFFER_BYTES = 1024 * 1024;

export function checkProcess(context: CheckContext): void {
  if (!context.broken.has("offload")) checkOffload(context);
  if (!context.broken.has("admin")) checkAdmin(context);
  if (!context.broken.has("limits") && bytes(context.document.limits.maxBufferBytes) < MIN_BUFFER_BYTES) {
    context.reporter.error(["limits", "maxBufferBytes"], "expected at least 1MiB");
  }
}

function checkOffload({ document, reporter }: CheckContext): void {
  const { engine, library, ipc } = document.offload;
  if (engine === "vendor" && library === undefined) {
    reporter.error(["offload"], 'missing key "library": engine vendor needs the path of its libmango.so', {
      at: "key",
    });
  }
  if (engine !== "device" && ipc !== undefined) {
    reporter.error(["offload", "ipc"], `ipc has no effect with engine ${engine}; expected engine: device`, {
      at: "key",
    });
  }
  if (ipc !== undefined && !isDeviceAddress(ipc.address)) {
    reporter.error(["offload", "ipc", "address"], "expected host:port or iceoryx:NAME", {
      suggestion: "localhost:32847",
    });
  }
}

function isDeviceAddress(address: string): boolean {
  if (address.startsWith("iceoryx:")) return /^iceoryx:[A-Za-z0-9_.-]{1,64}$/.test(address);
  const port = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})$/.exec(address)?.[1];
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535;
}

function checkAdmin({ document, reporter }: CheckContext): void {
  const { enabled, address, token, tokenFile } = document.admin;
  const parsed = parseListenAddress(address);
  if (parsed === undefined)
    return reporter.error(["admin", "address"], "expected IP:port such as 127.0.0.1:9901");
  if (token !== undefined && tokenFile !== undefined) {
    reporter.error(["admin", "tokenFile"], "expected either token or tokenFile", { at: "key" });
  }
  if (enabled && !isLoopback(parsed.host) && token === undefined && tokenFile === undefined) {
    reporter.error(
      ["admin", "address"],
      "an admin address that others can reach needs admin.token or admin.tokenFile",
      { suggestion: `127.0.0.1:${parsed.port}` },
    );
  }
}
