// SPDX-License-Identifier: Apache-2.0
// npm run build: everything `npm start` would prepare, without starting.
import { main } from "./lib/log.mjs";
import { prepare } from "./lib/prepare.mjs";

await main(() => prepare("run"));
