// SPDX-License-Identifier: Apache-2.0
// Files are noticed however they are replaced: in place, by rename, by swapped links of certbot and Kubernetes.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { watchedFolders } from "../../src/tls/watched_folders.ts";
import { createFileWatcher, type FileWatcher } from "../../src/tls/watcher.ts";

interface Setting {
  readonly folder: string;
  readonly watcher: FileWatcher;
  /** Does something and waits until the watcher has told of it. */
  after(change: () => void): Promise<readonly string[]>;
}

function setUp(context: TestContext): Setting {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "mango-watch-")));
  const heard = new EventEmitter();
  const watcher = createFileWatcher((files) => heard.emit("changed", files));
  context.after(() => {
    watcher.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const after = async (change: () => void) => {
    const next = once(heard, "changed");
    change();
    const [files] = await next;
    return files as readonly string[];
  };
  return { folder, watcher, after };
}

test("a file written in place has changed", async (context) => {
  const { folder, watcher, after } = setUp(context);
  const file = join(folder, "a.pem");
  writeFileSync(file, "one");
  await watcher.update([file]);
  assert.deepEqual(await after(() => writeFileSync(file, "another")), [file]);
});

test("a file replaced by rename has changed, again and again", async (context) => {
  const { folder, watcher, after } = setUp(context);
  const file = join(folder, "a.pem");
  writeFileSync(file, "0");
  await watcher.update([file]);
  for (const content of ["1", "2", "3"]) {
    const swap = () => {
      writeFileSync(`${file}.new`, content);
      renameSync(`${file}.new`, file);
    };
    assert.deepEqual(await after(swap), [file]);
    assert.equal(readFileSync(file, "utf8"), content);
  }
});

test("a certificate and its key written one after the other are told of together", async (context) => {
  const { folder, watcher, after } = setUp(context);
  const files = [join(folder, "a.crt"), join(folder, "a.key")];
  for (const file of files) writeFileSync(file, "old");
  await watcher.update(files);
  const changed = await after(() => {
    for (const file of files) writeFileSync(file, "new");
  });
  assert.deepEqual(changed, files);
});

test("a link swapped as certbot does has changed", async (context) => {
  const { folder, watcher, after } = setUp(context);
  mkdirSync(join(folder, "archive"));
  mkdirSync(join(folder, "live"));
  writeFileSync(join(folder, "archive/cert1.pem"), "same");
  writeFileSync(join(folder, "archive/cert2.pem"), "same");
  const live = join(folder, "live/cert.pem");
  symlinkSync("../archive/cert1.pem", live);
  await watcher.update([live]);
  const swap = () => {
    symlinkSync("../archive/cert2.pem", `${live}.new`);
    renameSync(`${live}.new`, live);
  };
  assert.deepEqual(await after(swap), [live]);
  assert.deepEqual(await after(() => writeFileSync(join(folder, "archive/cert2.pem"), "fresh")), [live]);
});

test("a folder swapped as Kubernetes does has changed, and the next one too", async (context) => {
  const { folder, watcher, after } = setUp(context);
  const version = (name: string) => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "tls.crt"), name);
    symlinkSync(name, join(folder, "..data.new"));
    renameSync(join(folder, "..data.new"), join(folder, "..data"));
  };
  version("..one");
  const file = join(folder, "tls.crt");
  symlinkSync("..data/tls.crt", file);
  await watcher.update([file]);
  for (const [next, previous] of [
    ["..two", "..one"],
    ["..three", "..two"],
  ] as const) {
    const swap = () => {
      version(next);
      rmSync(join(folder, previous), { recursive: true });
    };
    assert.deepEqual(await after(swap), [file]);
    assert.equal(readFileSync(file, "utf8"), next);
  }
});

test("a file that goes and comes back has changed twice", async (context) => {
  const { folder, watcher, after } = setUp(context);
  const file = join(folder, "a.pem");
  writeFileSync(file, "one");
  await watcher.update([file]);
  assert.deepEqual(await after(() => unlinkSync(file)), [file]);
  assert.deepEqual(await after(() => writeFileSync(file, "one")), [file]);
});

test("a folder that is made later is noticed", async (context) => {
  const { folder, watcher, after } = setUp(context);
  const file = join(folder, "later/still/a.pem");
  await watcher.update([file]);
  const changed = await after(() => {
    mkdirSync(join(folder, "later/still"), { recursive: true });
    writeFileSync(file, "one");
  });
  assert.deepEqual(changed, [file]);
});

test("a folder replaced as a whole is watched on", async (context) => {
  const { folder, watcher, after } = setUp(context);
  const file = join(folder, "certs/a.pem");
  mkdirSync(join(folder, "certs"));
  writeFileSync(file, "one");
  await watcher.update([file]);
  const replace = () => {
    mkdirSync(join(folder, "next"));
    writeFileSync(join(folder, "next/a.pem"), "another");
    renameSync(join(folder, "certs"), join(folder, "previous"));
    renameSync(join(folder, "next"), join(folder, "certs"));
  };
  assert.deepEqual(await after(replace), [file]);
  assert.deepEqual(await after(() => writeFileSync(file, "three")), [file]);
});

test("a file changed while it was loaded is told of at once", async (context) => {
  const { folder, watcher, after } = setUp(context);
  const file = join(folder, "a.pem");
  const started = Date.now() - 1000;
  writeFileSync(file, "one");
  assert.deepEqual(await after(() => void watcher.update([file], started)), [file]);
});

test("files that are no longer wanted, and neighbours, are nobody's business", async (context) => {
  const { folder, watcher, after } = setUp(context);
  const [a, b] = [join(folder, "a.pem"), join(folder, "b.pem")];
  for (const file of [a, b]) writeFileSync(file, "one");
  await watcher.update([a, b]);
  await watcher.update([b]);
  const changed = await after(() => {
    writeFileSync(a, "another");
    writeFileSync(join(folder, "c.pem"), "x");
    writeFileSync(b, "another");
  });
  assert.deepEqual(changed, [b]);
});

test("a closed watcher says nothing, and closing twice is no mistake", async (context) => {
  const { folder } = setUp(context);
  const file = join(folder, "a.pem");
  writeFileSync(file, "one");
  const watcher = createFileWatcher(() => assert.fail("told after close"));
  await watcher.update([file]);
  watcher.close();
  watcher.close();
  writeFileSync(file, "another");
  await watcher.update([file]);
});

test("every link on the way is watched, and a circle of links ends", async (context) => {
  const { folder } = setUp(context);
  mkdirSync(join(folder, "releases/3"), { recursive: true });
  writeFileSync(join(folder, "releases/3/a.pem"), "");
  mkdirSync(join(folder, "app"));
  symlinkSync("../releases/3", join(folder, "app/current"));
  assert.deepEqual(
    await watchedFolders(join(folder, "app/current/a.pem")),
    new Set([join(folder, "app"), join(folder, "releases/3")]),
  );
  symlinkSync("circle", join(folder, "circle"));
  assert.deepEqual(await watchedFolders(join(folder, "circle")), new Set([folder]));
});
