// SPDX-License-Identifier: Apache-2.0
// HTTP/2 upstreams whose answer begins well and ends badly, or who spoil the connection before anything was asked: the
// exchange fails with a reason, and nothing incomplete looks complete.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  data,
  flags,
  frame,
  goaway,
  ping,
  rstStream,
  type Settings,
  settings,
} from "../support/h2_frames.ts";
import { endlessly, head, type Lie, LiedTo, saying, slug } from "../support/h2_lies.ts";
import type { H2Peer } from "../support/h2_peer.ts";
import { type H2UpstreamOptions, respond, responseHead } from "../support/h2_raw_upstream.ts";
import { askIn, versions } from "../support/versions.ts";

const lied = await LiedTo.start();
const { edge, target } = lied;

// --- a response that begins well

const twoOf = (stream: number, length: string): Buffer =>
  responseHead(stream, "200", [["content-length", length]]);

const broken: Readonly<Record<string, Lie>> = {
  "less content than content-length": saying((stream) => [
    twoOf(stream, "100"),
    data(stream, "short", flags.endStream),
  ]),
  "more content than content-length": saying((stream) => [
    twoOf(stream, "4"),
    data(stream, "long and longer", flags.endStream),
  ]),
  "trailers instead of the rest": saying((stream) => [
    twoOf(stream, "100"),
    data(stream, "short"),
    head(stream, [["x-t", "1"]], flags.endHeaders | flags.endStream),
  ]),
  "a second head": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "first"),
    ...respond(stream, "second"),
  ]),
  "trailers without an end": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "x"),
    head(stream, [["x-t", "1"]]),
  ]),
  "trailers with a pseudo field": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "x"),
    head(stream, [[":status", "200"]], flags.endHeaders | flags.endStream),
  ]),
  "trailers with CR LF": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "x"),
    head(stream, [["x-t", "1\r\n\r\nHTTP/1.1 200 OK"]], flags.endHeaders | flags.endStream),
  ]),
  "RST_STREAM in mid-content": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "half"),
    rstStream(stream, "INTERNAL_ERROR"),
  ]),
  "RST_STREAM with NO_ERROR in mid-content": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "half"),
    rstStream(stream, "NO_ERROR"),
  ]),
  "the end of the connection in mid-content": (peer, { stream }) =>
    void peer.socket.end(Buffer.concat([responseHead(stream, "200"), data(stream, "half")])),
  "a reset of the connection in mid-content": (peer, { stream }) =>
    void peer
      .send(responseHead(stream, "200"), data(stream, "half"))
      .then(() => peer.socket.resetAndDestroy()),
  "silence in mid-content": saying((stream) => [responseHead(stream, "200"), data(stream, "half")]),
  "more than the window allows": saying((stream) => [
    responseHead(stream, "200"),
    ...Array.from({ length: 400 }, () => data(stream, Buffer.alloc(16_384))),
  ]),
  "padding beyond the frame": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "half"),
    frame("data", { stream, flags: flags.padded, payload: "\xffpad" }),
  ]),
  "a flood of empty DATA": endlessly(
    (stream) => [responseHead(stream, "200"), data(stream, "half")],
    (stream) => data(stream, ""),
  ),
  "a frame of another stream's content": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "half"),
    data(stream + 2, "other"),
  ]),
};

for (const [what, lie] of Object.entries(broken)) {
  for (const version of versions) {
    test(`abuse 22, ${version}: an HTTP/2 upstream whose response has ${what} fails visibly`, async (t) => {
      await lied.by(t, lie);
      const path = slug(what, version);
      const { how, body } = await askIn(version, t, target, { path });
      assert.notEqual(how, "200", "it looked complete");
      assert.doesNotMatch(body, /second|other|0\r\n\r\n$/);
      const record = await edge.accessRecord((each) => each["path"] === path);
      assert.match(String(record["reason"]), /\w/);
      assert.deepEqual(await askIn(version, t, target, { path: "/honest" }), { how: "200", body: "honest" });
    });
  }
}

// --- from the very beginning

const greetings: Readonly<Record<string, (peer: H2Peer) => void>> = {
  "DATA first": (peer) => void peer.send(data(1, "early")),
  "PING instead of SETTINGS": (peer) => void peer.send(ping()),
  "HTTP/1.1": (peer) => void peer.socket.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
  "no words of HTTP": (peer) => void peer.socket.write("220 smtp.example ESMTP\r\n"),
  "a closed door": (peer) => void peer.socket.end(),
  "GOAWAY at once": (peer) => void peer.send(settings({}), goaway(0, "NO_ERROR")),
  "a frame size of 0": (peer) => void peer.send(settings({ maxFrameSize: 0 })),
  "a window of 4 GiB": (peer) => void peer.send(settings({ initialWindowSize: 0xffff_ffff })),
  "push switched on": (peer) => void peer.send(settings({ enablePush: 1 })),
};

for (const [what, greeting] of Object.entries(greetings)) {
  test(`abuse 22: a connection that an upstream greets with ${what} carries nothing to anybody`, async (t) => {
    let accepted = 0;
    const options: H2UpstreamOptions = {
      greeting: (peer) => {
        accepted += 1;
        if (accepted === 1) greeting(peer);
        else void peer.send(settings({}));
      },
    };
    await lied.by(
      t,
      saying((stream) => respond(stream, "honest")),
      options,
    );
    const path = slug(what);
    const { how, body } = await askIn("HTTP/2", t, target, { path });
    // Refused for certain before it was processed, a request may go to another connection.
    assert.ok(how === "502" || how === "503" || (how === "200" && body === "honest"), `${how} ${body}`);
    if (how !== "200") {
      const record = await edge.accessRecord((each) => each["path"] === path);
      assert.match(String(record["reason"]), /\w/);
    }
    assert.deepEqual(await askIn("HTTP/2", t, target, { path: "/honest" }), { how: "200", body: "honest" });
  });
}

test("abuse 22: a response that comes before its request serves that one exchange at most", async (t) => {
  // On a new connection nobody can tell it from a very fast answer. The real one, then one too many, is nobody's.
  const options: H2UpstreamOptions = {
    greeting: (peer) => void peer.send(settings({}), ...respond(1, "early")),
  };
  await lied.by(
    t,
    saying((stream) => respond(stream, "mine")),
    options,
  );
  const { how, body } = await askIn("HTTP/2", t, target, { path: "/early" });
  assert.ok(how === "502" || (how === "200" && body === "early"), `${how} ${body}`);
  for (let i = 0; i < 5; i += 1) {
    const { how: status, body: own } = await askIn("HTTP/2", t, target, { path: `/next${i}` });
    assert.ok(status === "502" || own === "mine" || own === "early", `${status} ${own}`);
    assert.ok(!own.includes("mineearly") && !own.includes("earlymine"));
  }
});

const stubborn: Readonly<Record<string, Settings>> = {
  "takes no streams": { maxConcurrentStreams: 0 },
  "takes no content": { initialWindowSize: 0 },
};

for (const [what, values] of Object.entries(stubborn)) {
  test(`an upstream that ${what} costs a request its time and not for ever`, async (t) => {
    await lied.by(t, () => {}, { settings: values });
    const path = slug(what);
    const { how } = await askIn("HTTP/2", t, target, { path, method: "POST", content: "hello" });
    assert.match(how, /^50[234]$/);
    const record = await edge.accessRecord((each) => each["path"] === path);
    assert.match(String(record["reason"]), /\w/);
  });
}
