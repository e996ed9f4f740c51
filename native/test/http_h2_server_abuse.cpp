// SPDX-License-Identifier: Apache-2.0
// Hostile clients: what costs us without bringing a request or content is counted, and ends the connection;
// what an honest client does is not.
#include "http_h2_server_support.h"

namespace mango::http::test {
namespace {

// Sends `bytes` again and again; answers how often until the connection was given up.
size_t repeat(H2Server& server, size_t most, const std::function<std::string(size_t)>& bytes) {
  for (size_t i = 0; i < most; ++i) {
    server.receive(bytes(i));
    if (!server.codec.persistent()) return i + 1;
    server.sink.written.clear();
  }
  return most;
}

uint32_t id_of(size_t i) {
  return static_cast<uint32_t>(2 * i + 1);
}

TEST(H2ServerAbuse, EndsRapidReset) {
  H2Server server;
  server.receive(greeting());
  const size_t count =
      repeat(server, 10000, [](size_t i) { return headers(id_of(i), get()) + reset_frame(id_of(i)); });
  EXPECT_EQ(201U, count);
  EXPECT_TRUE(server.notes.text.ends_with("[error http2-rapid-reset]"));
  EXPECT_TRUE(outline(server.sink.written).ends_with("GOAWAY(0,11)")) << outline(server.sink.written);
  const std::string before = server.notes.text;
  server.receive(headers(9999, get()));
  EXPECT_EQ(before, server.notes.text);
}

TEST(H2ServerAbuse, EndsRapidResetWithinOneRead) {
  H2Server server;
  std::string bytes = greeting();
  for (size_t i = 0; i < 5000; ++i) bytes += headers(id_of(i), get()) + reset_frame(id_of(i));
  size_t begun = 0;
  server.notes.request = [&](Stream&, RequestHead&) { ++begun; };
  server.receive(bytes);
  EXPECT_EQ(201U, begun);
  EXPECT_FALSE(server.codec.persistent());
}

TEST(H2ServerAbuse, LetsClientsCancelNowAndThen) {
  H2Server server;
  server.receive(greeting());
  const size_t count = repeat(server, 10000, [&server](size_t i) {
    server.clock.ms += 51;  // a little less than twenty a second
    return headers(id_of(i), get()) + reset_frame(id_of(i));
  });
  EXPECT_EQ(10000U, count);
}

// CVE-2025-8671: the client makes us send the resets.
TEST(H2ServerAbuse, CountsResetsWeAreMadeToSend) {
  const std::vector<std::function<std::string(uint32_t)>> ways = {
      [](uint32_t id) { return headers(id, get(), false) + window(id, 0x7fffffff); },
      [](uint32_t id) {
        return headers(id, get("/", {{"content-length", "5"}}), false) + content(id, "x", true);
      },
      [](uint32_t id) {
        return headers(id, get("/", {{"Bad", "x"}}));
      },
      [](uint32_t id) {
        return headers(id, get("/", {{"host", "other"}}));
      },
      [](uint32_t id) {
        return headers(id, get(), false) + headers(id, {{":path", "x"}});
      },
  };
  for (size_t way = 0; way < ways.size(); ++way) {
    H2Server server;
    server.receive(greeting());
    const size_t count = repeat(server, 10000, [&](size_t i) { return ways[way](id_of(i)); });
    EXPECT_GE(count, 190U) << way;
    EXPECT_LE(count, 210U) << way;
    EXPECT_TRUE(server.notes.text.ends_with("[error http2-rapid-reset]")) << way;
  }
}

TEST(H2ServerAbuse, RefusesStreamsOverTheLimitForAWhileOnly) {
  H2Server server;
  server.receive(greeting());  // our SETTINGS are not acknowledged: streams over the limit are refused
  size_t i = 0;
  for (; i < 100; ++i) server.receive(headers(id_of(i), get()));
  (void)server.take_output();
  server.receive(headers(id_of(i++), get()));
  EXPECT_EQ("RST(201,7)", outline(server.take_output()));
  EXPECT_LE(repeat(server, 1000, [&i](size_t) { return headers(id_of(i++), get()); }), 210U);
  EXPECT_TRUE(server.notes.text.ends_with("[error http2-rapid-reset]"));
}

TEST(H2ServerAbuse, EndsFloodsOfControlFrames) {
  const std::vector<std::pair<const char*, std::string>> floods = {
      {"settings", settings()},
      {"settings with a value",
       frame(NGHTTP2_SETTINGS, 0, 0, number(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 2) + number(1))},
      {"ping", frame(NGHTTP2_PING, 0, 0, "12345678")},
      {"ping acknowledged", frame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "12345678")},
      {"priority", frame(NGHTTP2_PRIORITY, 0, 1, number(0) + "x")},
      {"priority update", frame(NGHTTP2_PRIORITY_UPDATE, 0, 0, number(1) + "u=1")},
      {"window update", window(0, 1)},
      {"window update of a stream", window(1, 1)},
      {"empty data", content(1, "")},
      {"padding", frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, std::string(1, 9) + std::string(9, '\0'))},
      {"unknown", frame(0xee, 0, 0, "whatever")},
      {"origin", frame(0xc, 0, 0, "")},
  };
  for (const auto& [name, bytes] : floods) {
    H2Server server;
    server.receive(greeting() + headers(1, get(), false));
    const size_t count = repeat(server, 100000, [&bytes](size_t) { return bytes; });
    EXPECT_GE(count, 500U) << name;
    EXPECT_LE(count, 1100U) << name;
    EXPECT_TRUE(server.notes.text.ends_with("http2-control-flood]") ||
                server.notes.text.ends_with("http2-protocol]"))
        << name << server.notes.text;
    EXPECT_NE(std::string::npos, outline(server.sink.written).find("GOAWAY(0,")) << name;
  }
}

TEST(H2ServerAbuse, BoundsAnswersNobodyReads) {
  Http2Limits generous;
  generous.control_burst = generous.reset_burst = 1'000'000;
  for (const std::string& bytes : {frame(NGHTTP2_PING, 0, 0, "12345678"), settings(), std::string()}) {
    H2Server server(generous);
    server.receive(greeting() + headers(1, get(), false));
    server.sink.high_water = 0;
    const size_t before = server.sink.written.size();
    size_t i = 1;
    size_t rounds = 0;
    while (server.codec.persistent() && rounds < 100000) {
      server.receive(bytes.empty() ? headers(id_of(i++), get("/..")) : bytes);
      ++rounds;
    }
    EXPECT_LT(rounds, 10000U);
    EXPECT_LE(server.sink.written.size(), before + 17);  // the GOAWAY
  }
}

TEST(H2ServerAbuse, EndsContinuationFloods) {
  H2Server server;
  server.receive(greeting() + frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, hpack(get())));
  const size_t count = repeat(server, 1000, [](size_t) {
    return frame(NGHTTP2_CONTINUATION, 0, 1, hpack({{"x", "y"}}));
  });
  EXPECT_LE(count, 9U);
  EXPECT_EQ("[error http2-continuation-flood]", server.notes.text);
  H2Server empty;
  empty.receive(greeting() + frame(NGHTTP2_HEADERS, 0, 1, hpack(get())));
  EXPECT_LE(repeat(empty, 1000, [](size_t) { return frame(NGHTTP2_CONTINUATION, 0, 1, ""); }), 9U);
}

TEST(H2ServerAbuse, TakesAFewContinuations) {
  H2Server server;
  const std::string block = hpack(get("/", {{"x", "y"}}));
  std::string bytes = greeting() + frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, block.substr(0, 10));
  for (size_t at = 10; at < block.size(); at += 10)
    bytes += frame(NGHTTP2_CONTINUATION, at + 10 >= block.size() ? NGHTTP2_FLAG_END_HEADERS : 0, 1,
                   block.substr(at, 10));
  server.receive(bytes);
  EXPECT_EQ("[1 GET / h|x=y][1 end ]", server.notes.text);
  H2Server split;
  for (const char c : bytes) split.receive({&c, 1});
  EXPECT_EQ("[1 GET / h|x=y][1 end ]", split.notes.text);
}

// One octet each brings a field of the dynamic table back.
TEST(H2ServerAbuse, EndsHeaderBombs) {
  H2Server server;
  const std::string big(4000, 'b');
  const std::string plant = hpack(get()) + '\x40' + hpack_string("x") + hpack_string(big);
  server.receive(greeting() +
                 frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, plant));
  EXPECT_TRUE(server.notes.text.starts_with("[1 GET / h|x=bbb"));
  server.notes.text.clear();
  // Somewhat over the limits: answered, and the table still works.
  server.receive(frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 3,
                       hpack(get()) + std::string(6, '\xbe')));
  EXPECT_EQ("", server.notes.text);
  EXPECT_TRUE(server.codec.persistent());
  server.receive(
      frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 5, hpack(get()) + '\xbe'));
  EXPECT_TRUE(server.notes.text.starts_with("[5 GET / h|x=bbb"));
  server.notes.text.clear();
  server.receive(frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 7,
                       hpack(get()) + std::string(10000, '\xbe')));
  EXPECT_EQ("[error http2-header-bomb]", server.notes.text);
}

// RFC 9113 section 5.1, and item by item what h2spec asks for.
TEST(H2ServerAbuse, RefusesFramesOfStreamsThatTheClientClosed) {
  for (const std::string& late : {headers(1, get()), content(1, "late"), content(1, "", true)}) {
    H2Server ended;
    ended.receive(greeting() + headers(1, get()));
    ended.answer(*ended.notes.streams[1]);
    ended.receive(late);
    EXPECT_TRUE(ended.notes.text.ends_with("[error http2-stream-closed]")) << ended.notes.text;
    EXPECT_TRUE(outline(ended.sink.written).ends_with("GOAWAY(0,5)"));
    H2Server reset;
    reset.receive(greeting() + headers(1, get(), false) + reset_frame(1));
    (void)reset.take_output();
    reset.receive(late);
    EXPECT_EQ("RST(1,5)", outline(reset.take_output()));
    EXPECT_TRUE(reset.codec.persistent());
  }
  H2Server smaller;
  smaller.receive(greeting() + headers(5, get()) + headers(3, get()));
  EXPECT_TRUE(smaller.notes.text.ends_with("[error http2-stream-closed]"));
}

TEST(H2ServerAbuse, IgnoresWhatWasOnItsWayToManyStreams) {
  H2Server server;
  server.receive(greeting());
  for (uint32_t id = 1; id < 101; id += 2) server.receive(headers(id, get(), false));
  for (const auto& [id, stream] : server.notes.streams) server.answer(*stream);
  for (uint32_t id = 1; id < 101; id += 2) server.receive(content(id, "late", true));
  EXPECT_TRUE(server.codec.persistent()) << server.notes.text;
  Http2Limits one;
  one.max_concurrent_streams = 1;
  H2Server refusing(one);
  refusing.receive(greeting() + headers(1, get(), false) + headers(3, get(), false) + content(3, "x", true) +
                   headers(5, get("/", {{"Bad", "x"}}), false) + content(5, "x"));
  EXPECT_TRUE(refusing.codec.persistent()) << refusing.notes.text;
}

TEST(H2ServerAbuse, RefusesPrioritiesThatMakeNoSense) {
  for (const std::string& bytes :
       {frame(NGHTTP2_PRIORITY, 0, 0, number(1) + "x"), frame(NGHTTP2_PRIORITY, 0, 3, number(3) + "x"),
        frame(NGHTTP2_PRIORITY, 0, 3, number(0x80000003) + "x")}) {
    H2Server server;
    server.receive(greeting() + bytes);
    EXPECT_EQ("[error http2-protocol]", server.notes.text);
    H2Server split;
    for (const char c : greeting() + bytes) split.receive({&c, 1});
    EXPECT_EQ("[error http2-protocol]", split.notes.text);
  }
}

TEST(H2ServerAbuse, IgnoresFramesBehindAReset) {
  H2Server server;
  server.receive(greeting() + headers(1, get(), false) + reset_frame(1) + content(1, "late") +
                 headers(1, {{"x", "late"}}) + window(1, 5) + headers(3, get()));
  EXPECT_EQ("[1 GET / h][1 lost 4 ][3 GET / h][3 end ]", server.notes.text);
  EXPECT_TRUE(server.codec.persistent());
  H2Server ours;
  ours.notes.request = [&](Stream& stream, RequestHead& head) {
    if (head.path == "/reset") ours.codec.finish(stream);
  };
  ours.receive(greeting() + headers(1, get("/reset"), false) + content(1, "late") +
               headers(1, {{"x", "late"}}) + headers(3, get()));
  EXPECT_EQ("[1 GET /reset h][3 GET / h][3 end ]", ours.notes.text);
  ours.receive(content(1, "later") + headers(5, get()));
  EXPECT_TRUE(ours.notes.text.ends_with("[5 GET / h][5 end ]"));
  EXPECT_TRUE(ours.codec.persistent());
}

TEST(H2ServerAbuse, TellsWhatIsWrongWithAConnection) {
  for (const auto& [bytes, reason, code] : std::vector<std::tuple<std::string, const char*, uint32_t>>{
           {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "http2-bad-preface", 1},
           {greeting() + content(0, "x"), "http2-protocol", 1},
           {greeting() + headers(2, get()), "http2-protocol", 1},
           {greeting() + frame(NGHTTP2_PING, 0, 0, "short"), "http2-frame-size", 6},
           {greeting() + std::string("\x7f\xff\xff\0\0\0\0\0\1", 9), "http2-frame-size", 6},
           {greeting() + frame(NGHTTP2_HEADERS, 5, 1, "\xff\xff\xff\xff\xff\xff"), "http2-compression", 9},
           {greeting() + window(0, 0x7fffffff), "http2-flow-control", 3},
           {greeting() + frame(NGHTTP2_HEADERS, 0, 1, hpack(get())) + settings(), "http2-protocol", 1}}) {
    H2Server server;
    server.receive(bytes);
    EXPECT_EQ("[error " + std::string(reason) + "]", server.notes.text);
    EXPECT_TRUE(outline(server.sink.written).ends_with("," + std::to_string(code) + ")"))
        << reason << outline(server.sink.written);
    EXPECT_FALSE(server.codec.persistent());
  }
}

// Per 16 KiB a client may well send two WINDOW_UPDATEs.
TEST(H2ServerAbuse, LetsALargeDownloadPass) {
  H2Server server;
  H2Peer peer;
  peer.request(get());
  peer.talk(server);
  Stream& stream = *server.notes.streams[1];
  ResponseHead head;
  head.status = 200;
  EXPECT_TRUE(server.codec.send_head(stream, head, {.framing = Framing::chunked}));
  const std::string piece(16384, 'x');
  for (int i = 0; i < 8192; ++i) {
    ASSERT_EQ(piece.size(), server.codec.send_data(stream, piece)) << i;
    server.sink.written.clear();
    server.receive(window(0, 16384) + window(1, 16384));
    ASSERT_TRUE(server.codec.persistent()) << i;
  }
}

TEST(H2ServerAbuse, LetsSmallMessagesPassButNoDribble) {
  for (const bool dribble : {false, true}) {
    H2Server server;
    server.receive(
        greeting() +
        frame(NGHTTP2_SETTINGS, 0, 0, number(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 2) + number(1)) +
        headers(1, get()));
    Stream& stream = *server.notes.streams[1];
    ResponseHead head;
    head.status = 200;
    EXPECT_TRUE(server.codec.send_head(stream, head, {.framing = Framing::chunked}));
    (void)server.codec.send_data(stream, "first");
    const std::string rest(dribble ? 20000 : 1, 'x');
    int i = 0;
    for (; i < 10000 && server.codec.persistent(); ++i) {
      server.receive(window(1, 1) + (dribble ? "" : window(0, 1) + frame(NGHTTP2_PING, 0, 0, "12345678")));
      (void)server.codec.send_data(stream, rest);
      server.sink.written.clear();
    }
    EXPECT_EQ(!dribble, server.codec.persistent()) << i;
  }
}

TEST(H2ServerAbuse, LetsALargeUploadPass) {
  H2Server server;
  server.receive(greeting() + headers(1, get(), false));
  const std::string piece = content(1, std::string(1024, 'x')) + frame(NGHTTP2_PING, 0, 0, "12345678");
  server.notes.data = [](Stream&, std::string_view bytes) { return bytes.size(); };
  for (int i = 0; i < 6000; ++i) {
    server.receive(i % 4 == 0 ? piece : content(1, std::string(1024, 'x')));
    server.sink.written.clear();
    server.notes.contents.clear();
    ASSERT_TRUE(server.codec.persistent()) << i;
  }
}

TEST(H2ServerAbuse, LetsManyRequestsPass) {
  H2Server server;
  H2Peer peer;
  server.notes.request = [&](Stream& stream, RequestHead&) { server.answer(stream); };
  for (int i = 0; i < 6000; ++i) {
    const uint32_t id = peer.request(get("/", {{"priority", "u=1"}}));
    server.receive(peer.take_output() + frame(NGHTTP2_PRIORITY_UPDATE, 0, 0, number(id) + "u=2"));
    peer.talk(server);
    server.notes.text.clear();
    server.notes.streams.clear();
    ASSERT_TRUE(server.codec.persistent()) << i;
    ASSERT_TRUE(server.codec.idle()) << i;
  }
}

}  // namespace
}  // namespace mango::http::test
