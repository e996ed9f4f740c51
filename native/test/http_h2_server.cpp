// SPDX-License-Identifier: Apache-2.0
// Messages: what requests become, what responses look like to a client.
#include "http_h2_server_support.h"

namespace mango::http::test {
namespace {

TEST(H2ServerCodec, TellsARequestAndSendsItsResponse) {
  H2Server server;
  H2Peer peer;
  server.notes.end = [&](Stream& stream) { server.later.push_back([&] { server.answer(stream, "hello"); }); };
  const uint32_t id = peer.request(get("/a?b", {{"x-y", "z"}}));
  peer.talk(server);
  EXPECT_EQ("[1 GET /a?b h|x-y=z][1 end ]", server.notes.text);
  EXPECT_EQ("[:status=200|content-length=5]", peer.answers[id].fields);
  EXPECT_EQ("hello", peer.answers[id].content);
  EXPECT_TRUE(peer.answers[id].closed);
  EXPECT_EQ(0U, peer.answers[id].code);
  EXPECT_TRUE(server.codec.idle());
  EXPECT_TRUE(server.codec.persistent());
}

TEST(H2ServerCodec, TellsHeadsAsTheyAre) {
  H2Server server;
  H2Peer peer;
  std::vector<std::tuple<Method, Framing, uint64_t, bool>> seen;
  server.notes.request = [&](Stream&, RequestHead& head) {
    EXPECT_EQ(Version::http2, head.version);
    EXPECT_EQ("h", head.host);
    seen.emplace_back(head.method, head.framing, head.content_length, head.expect_continue);
  };
  Fields post = get();
  post[0].second = "POST";
  peer.request(get());
  peer.request(post, "body");
  post.insert(post.end(), {{"content-length", "4"}, {"expect", "100-continue"}});
  peer.request(post, "body");
  peer.talk(server);
  const decltype(seen) expected = {{Method::get, Framing::none, 0, false},
                                   {Method::post, Framing::chunked, 0, false},
                                   {Method::post, Framing::length, 4, true}};
  EXPECT_EQ(expected, seen);
}

TEST(H2ServerCodec, NormalisesPathsAndJoinsCookies) {
  H2Server server;
  H2Peer peer;
  peer.request(
      get("/a/./b/../%7ec?q", {{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}, {"cookie", "c=3"}}));
  peer.request(get("/", {{"cookie", "a=1"}}));
  peer.request(get("/", {{"cookie", "d"}, {"cookie", "e"}}));
  peer.request(get("/", {{"cookie", "f"}, {"cookie", "g"}}));
  peer.talk(server);
  EXPECT_EQ(
      "[1 GET /a/~c?q h|cookie=a=1; b=2; c=3|x=y][1 end ][3 GET / h|cookie=a=1][3 end ]"
      "[5 GET / h|cookie=d; e][5 end ][7 GET / h|cookie=f; g][7 end ]",
      server.notes.text);
}

TEST(H2ServerCodec, TakesHostForTheAuthority) {
  H2Server server;
  server.receive(greeting() +
                 headers(1, {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "x:8080"}}) +
                 headers(3, get("/", {{"host", "H:443"}})));
  EXPECT_EQ("[1 GET / x:8080][1 end ][3 GET / h][3 end ]", server.notes.text);
}

TEST(H2ServerCodec, CarriesContentAndTrailersBothWays) {
  H2Server server;
  H2Peer peer;
  server.notes.end = [&](Stream& stream) {
    ResponseHead head;
    head.status = 200;
    EXPECT_TRUE(head.fields.push({"Trailer", "Grpc-Status", FieldId::trailer}));
    EXPECT_TRUE(server.codec.send_head(stream, head, {.framing = Framing::chunked}));
  };
  Fields post = get();
  post[0].second = "POST";
  const uint32_t id = peer.request(post, "request", {{"x-sum", "1"}, {"cookie", "late"}});
  peer.talk(server);
  EXPECT_EQ("[1 POST / h][1 end x-sum: 1\r\n]", server.notes.text);
  EXPECT_EQ("request", server.notes.contents[id]);
  Stream& stream = *server.notes.streams[id];
  EXPECT_EQ(3U, server.codec.send_data(stream, "one"));
  EXPECT_EQ(3U, server.codec.send_data(stream, "two"));
  EXPECT_TRUE(server.codec.send_end(stream, "Grpc-Status: 0\r\nConnection: x\r\n"));
  server.codec.finish(stream);
  peer.talk(server);
  EXPECT_EQ("[:status=200|trailer=Grpc-Status][grpc-status=0]", peer.answers[id].fields);
  EXPECT_EQ("onetwo", peer.answers[id].content);
  EXPECT_TRUE(peer.answers[id].closed);
  EXPECT_TRUE(server.codec.idle());
}

TEST(H2ServerCodec, SendsInterimHeads) {
  H2Server server;
  H2Peer peer;
  server.notes.request = [&](Stream& stream, RequestHead&) {
    ResponseHead head;
    head.status = 100;
    EXPECT_TRUE(server.codec.send_head(stream, head, {}));
    head.status = 103;
    EXPECT_TRUE(head.fields.push({"Link", "</x>", FieldId::other}));
    EXPECT_TRUE(server.codec.send_head(stream, head, {}));
  };
  server.notes.end = [&](Stream& stream) { server.later.push_back([&] { server.answer(stream, "x"); }); };
  const uint32_t id = peer.request(get());
  peer.talk(server);
  EXPECT_EQ("[:status=100][:status=103|link=</x>][:status=200|content-length=1]", peer.answers[id].fields);
}

TEST(H2ServerCodec, SendsNoContentWhereThereIsNone) {
  H2Server server;
  H2Peer peer;
  server.notes.request = [&](Stream& stream, RequestHead& request) {
    ResponseHead head;
    head.status = request.method == Method::head ? 200 : 304;
    EXPECT_TRUE(head.fields.push({"Content-Length", "7", FieldId::content_length}));
    EXPECT_TRUE(server.codec.send_head(stream, head, {.framing = Framing::none}));
    EXPECT_TRUE(server.codec.send_end(stream, {}));
    server.codec.finish(stream);
  };
  Fields head = get();
  head[0].second = "HEAD";
  peer.request(head);
  peer.request(get());
  peer.talk(server);
  EXPECT_EQ("[:status=200|content-length=7]", peer.answers[1].fields);
  EXPECT_EQ("[:status=304|content-length=7]", peer.answers[3].fields);
  EXPECT_TRUE(peer.answers[1].closed);
  EXPECT_TRUE(peer.answers[3].closed);
  EXPECT_EQ("", peer.complaints);
  EXPECT_TRUE(server.codec.idle());
}

TEST(H2ServerCodec, LeavesOutWhatConcernsAConnection) {
  H2Server server;
  H2Peer peer;
  server.notes.request = [&](Stream& stream, RequestHead&) {
    ResponseHead head;
    head.status = 200;
    for (const auto& [name, value] : {std::pair{"Keep-Alive", "timeout=5"}, {"Upgrade", "h2c"}, {"X-A", "b"}})
      EXPECT_TRUE(head.fields.push({name, value, field_id(name)}));
    EXPECT_TRUE(server.codec.send_head(stream, head, {.keep_alive = false, .framing = Framing::chunked}));
    EXPECT_TRUE(server.codec.send_end(stream, {}));
    server.codec.finish(stream);
  };
  peer.request(get());
  peer.talk(server);
  EXPECT_EQ("[:status=200|x-a=b]", peer.answers[1].fields);
  EXPECT_TRUE(peer.answers[1].closed);
}

TEST(H2ServerCodec, AnswersByItself) {
  H2Server server;
  H2Peer peer;
  server.notes.request = [&](Stream& stream, RequestHead&) {
    EXPECT_TRUE(server.codec.send_local(stream, {.status = 404}));
    server.codec.finish(stream);
  };
  Fields head = get();
  head[0].second = "HEAD";
  peer.request(get());
  peer.request(head);
  peer.talk(server);
  EXPECT_EQ("[:status=404|content-type=text/plain; charset=utf-8|content-length=14]", peer.answers[1].fields);
  EXPECT_EQ("404 Not Found\n", peer.answers[1].content);
  EXPECT_EQ("", peer.answers[3].content);
  EXPECT_TRUE(peer.answers[3].closed);
  EXPECT_EQ("", peer.complaints);
  EXPECT_TRUE(server.codec.idle());
}

TEST(H2ServerCodec, OpensTunnelsForExtendedConnect) {
  H2Server server;
  H2Peer peer;
  peer.talk(server);
  EXPECT_EQ(1U,
            nghttp2_session_get_remote_settings(peer.session(), NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL));
  server.notes.request = [&](Stream&, RequestHead& head) {
    EXPECT_EQ("websocket", head.upgrade);
    EXPECT_EQ(Method::get, head.method);
    EXPECT_EQ(Framing::none, head.framing);
  };
  server.receive(headers(1,
                         {{":method", "CONNECT"},
                          {":protocol", "websocket"},
                          {":scheme", "https"},
                          {":path", "/chat"},
                          {":authority", "h"},
                          {"sec-websocket-version", "13"}},
                         false));
  EXPECT_EQ("[1 GET /chat h|sec-websocket-version=13]", server.notes.text);
  Stream& stream = *server.notes.streams[1];
  ResponseHead head;
  head.status = 101;
  head.upgrade = "websocket";
  EXPECT_TRUE(head.fields.push({"Sec-WebSocket-Accept", "x", FieldId::other}));
  EXPECT_TRUE(head.fields.push({"Sec-WebSocket-Protocol", "chat", FieldId::other}));
  EXPECT_TRUE(server.codec.send_head(stream, head, {.upgrade = true}));
  EXPECT_EQ(4U, server.codec.send_data(stream, "down"));
  server.receive(content(1, "up"));
  EXPECT_EQ("up", server.notes.contents[1]);
  EXPECT_EQ("HEADERS(1)DATA(1)", outline(server.take_output()));
  server.receive(content(1, "", true));  // half-closes, one way and the other
  EXPECT_TRUE(server.notes.text.ends_with("[1 end ]"));
  EXPECT_EQ(2U, server.codec.send_data(stream, "ok"));
  EXPECT_TRUE(server.codec.send_end(stream, {}));
  server.codec.finish(stream);
  EXPECT_EQ("DATA(1)DATA(1)", outline(server.take_output()));
  EXPECT_TRUE(server.codec.idle());
}

TEST(H2ServerCodec, SaysTwoHundredForATunnel) {
  H2Server server;
  H2Peer peer;
  peer.talk(server);
  server.notes.request = [&](Stream& stream, RequestHead&) {
    ResponseHead head;
    head.status = 101;
    head.upgrade = "websocket";
    EXPECT_TRUE(head.fields.push({"Sec-WebSocket-Accept", "x", FieldId::other}));
    EXPECT_TRUE(server.codec.send_head(stream, head, {.upgrade = true}));
  };
  peer.request({{":method", "CONNECT"},
                {":protocol", "websocket"},
                {":scheme", "https"},
                {":path", "/chat"},
                {":authority", "h"}},
               "x");
  peer.talk(server);
  EXPECT_EQ("[:status=200]", peer.answers[1].fields);
}

TEST(H2ServerCodec, SaysTheSameHoweverTheBytesArrive) {
  const std::string bytes =
      greeting() + headers(1, get("/a", {{"cookie", "a"}, {"cookie", "b"}})) +
      headers(3, {{":method", "PUT"}, {":scheme", "https"}, {":authority", "h"}, {":path", "/b"}}, false) +
      content(3, "hello") + headers(5, get("/c")) + content(3, " world") + headers(3, {{"x-t", "1"}});
  H2Server whole;
  whole.receive(bytes);
  EXPECT_EQ("[1 GET /a h|cookie=a; b][1 end ][3 PUT /b h][5 GET /c h][5 end ][3 end x-t: 1\r\n]",
            whole.notes.text);
  EXPECT_EQ("hello world", whole.notes.contents[3]);
  H2Server split;
  for (const char c : bytes) split.receive({&c, 1});
  EXPECT_EQ(whole.notes.text, split.notes.text);
  EXPECT_EQ(whole.notes.contents, split.notes.contents);
}

TEST(H2ServerCodec, KnowsAHeadThatIsNotComplete) {
  H2Server server;
  server.receive(greeting());
  EXPECT_FALSE(server.codec.reading_head());
  const std::string head = headers(1, get());
  server.receive(head.substr(0, 20));
  EXPECT_TRUE(server.codec.reading_head());
  EXPECT_FALSE(server.codec.idle());
  server.receive(head.substr(20));
  EXPECT_FALSE(server.codec.reading_head());
  EXPECT_EQ("[1 GET / h][1 end ]", server.notes.text);
}

TEST(H2ServerCodec, ResetsOneStreamAndGoesOn) {
  H2Server server;
  H2Peer peer;
  peer.request(get("/a"));
  peer.request(get("/b"));
  peer.talk(server);
  EXPECT_TRUE(server.codec.reset(*server.notes.streams[1], StreamError::refused));
  server.codec.finish(*server.notes.streams[1]);
  server.answer(*server.notes.streams[3]);
  peer.talk(server);
  EXPECT_EQ(uint32_t{NGHTTP2_REFUSED_STREAM}, peer.answers[1].code);
  EXPECT_EQ("[:status=204]", peer.answers[3].fields);
  EXPECT_TRUE(server.codec.idle());
}

TEST(H2ServerCodec, DoesNotWantTheRestOfAnAnsweredRequest) {
  H2Server server;
  server.receive(greeting() + headers(1, get(), false) + content(1, "some"));
  (void)server.take_output();
  server.answer(*server.notes.streams[1], "early");
  EXPECT_EQ("HEADERS(1)DATA(1)RST(1,0)", outline(server.take_output()));
  server.receive(content(1, "more"));
  EXPECT_EQ("some", server.notes.contents[1]);
  EXPECT_TRUE(server.codec.idle());
  EXPECT_TRUE(server.codec.persistent());
}

TEST(H2ServerCodec, ResetsAStreamWhoseResponseWillNotBeWhole) {
  H2Server server;
  server.receive(greeting() + headers(1, get()) + headers(3, get()));
  (void)server.take_output();
  ResponseHead head;
  head.status = 200;
  EXPECT_TRUE(server.codec.send_head(*server.notes.streams[1], head, {.framing = Framing::chunked}));
  server.codec.finish(*server.notes.streams[1]);
  server.codec.finish(*server.notes.streams[3]);  // not even begun
  EXPECT_EQ("HEADERS(1)RST(1,2)RST(3,2)", outline(server.take_output()));
  EXPECT_TRUE(server.codec.idle());
}

TEST(H2ServerCodec, TellsThatAClientGaveUp) {
  H2Server server;
  server.receive(greeting() + headers(1, get()) + reset_frame(1));
  EXPECT_EQ("[1 GET / h][1 end ][1 lost 4 ]", server.notes.text);
  EXPECT_TRUE(server.codec.idle());
}

TEST(H2ServerCodec, SaysFarewellInTwoSteps) {
  H2Server server;
  H2Peer peer;
  peer.request(get("/a"));
  peer.talk(server);
  server.codec.announce_close(StreamError::none, false);
  EXPECT_FALSE(server.codec.persistent());
  server.receive(headers(3, get("/b")));  // on its way
  server.codec.announce_close(StreamError::none, true);
  server.receive(headers(5, get("/c")));  // too late
  EXPECT_EQ("[1 GET /a h][1 end ][3 GET /b h][3 end ]", server.notes.text);
  server.answer(*server.notes.streams[1]);
  server.answer(*server.notes.streams[3]);
  EXPECT_TRUE(server.codec.idle());
  peer.talk(server);
  const std::vector<std::pair<uint32_t, uint32_t>> expected = {{0x7fffffff, 0}, {3, 0}};
  EXPECT_EQ(expected, peer.goaways);
}

TEST(H2ServerCodec, TellsErrorsBehindItsFarewell) {
  H2Server server;
  server.receive(greeting() + headers(1, get()));
  server.codec.announce_close(StreamError::calm, true);
  EXPECT_EQ("[1 GET / h][1 end ]", server.notes.text);
  server.receive(frame(NGHTTP2_PING, 0, 0, "short"));
  EXPECT_EQ("[1 GET / h][1 end ][error http2-frame-size]", server.notes.text);
}

TEST(H2ServerCodec, CanBeClosedWithinItsEvents) {
  for (const char* moment : {"request", "data", "end"}) {
    H2Server server;
    const auto close_at = [&](std::string_view now) {
      if (now == moment) server.codec.close();
    };
    server.notes.request = [&](Stream&, RequestHead&) { close_at("request"); };
    server.notes.data = [&](Stream&, std::string_view bytes) {
      close_at("data");
      return bytes.size();
    };
    server.notes.end = [&](Stream&) { close_at("end"); };
    server.receive(greeting() + headers(1, get(), false) + content(1, "x", true) + headers(3, get()));
    EXPECT_EQ(std::string::npos, server.notes.text.find("[3 ")) << moment;
    const std::string before = server.notes.text;
    server.receive(headers(5, get()));
    EXPECT_EQ(before, server.notes.text) << moment;
    for (const auto& [id, stream] : server.notes.streams) server.codec.finish(*stream);
  }
}

}  // namespace
}  // namespace mango::http::test
