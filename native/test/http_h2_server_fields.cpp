// SPDX-License-Identifier: Apache-2.0
// Header blocks that are no requests: malformed ones are reset (RFC 9113 section 8.1.1), others are answered.
// None may reach an HTTP/1.1 upstream as something else than it was.
#include "http_h2_server_support.h"

namespace mango::http::test {
namespace {

std::string told(const std::string& block, std::string* output = nullptr) {
  H2Server server;
  server.receive(greeting());
  (void)server.take_output();
  server.receive(block);
  if (output != nullptr) *output = outline(server.take_output());
  EXPECT_TRUE(server.codec.persistent());
  server.receive(headers(101, get("/next")));  // HPACK's state and the connection are whole
  EXPECT_TRUE(server.notes.text.ends_with("[101 GET /next h][101 end ]")) << server.notes.text;
  return server.notes.text.substr(0, server.notes.text.find("[101"));
}

void expect_reset(const Fields& fields, const char* what) {
  std::string output;
  const std::string text = told(headers(1, fields), &output);
  EXPECT_TRUE(text.starts_with("[malformed ")) << what << ": " << text;
  EXPECT_EQ("RST(1,1)", output) << what;
}

TEST(H2ServerFields, ResetsWhatCouldBecomeAnotherRequest) {
  const std::string nul("a\0b", 3);
  for (const auto& [name, value] : {std::pair<std::string, std::string>{"x", "a\r\nEvil: 1"},
                                    {"x", "a\nb"},
                                    {"x", "a\rb"},
                                    {"x", nul},
                                    {"x", " padded"},
                                    {"x", "padded "},
                                    {"x", "\tpadded"},
                                    {"x", "padded\t"},
                                    {"X-Upper", "a"},
                                    {"x y", "a"},
                                    {"x:y", "a"},
                                    {"x\r\ny", "a"},
                                    {"", "a"},
                                    {"x\x80", "a"}}) {
    expect_reset(get("/", {{name, value}}), (name + "=" + value).c_str());
  }
}

TEST(H2ServerFields, ResetsWhatConcernsAConnection) {
  for (const auto& [name, value] : Fields{{"connection", "close"},
                                          {"connection", "x-forwarded-for"},
                                          {"keep-alive", "timeout=5"},
                                          {"proxy-connection", "close"},
                                          {"transfer-encoding", "chunked"},
                                          {"upgrade", "websocket"},
                                          {"te", "gzip"},
                                          {"te", "trailers, deflate"}}) {
    expect_reset(get("/", {{name, value}}), name.c_str());
  }
  EXPECT_EQ("[1 GET / h|te=trailers][1 end ]", told(headers(1, get("/", {{"te", "trailers"}}))));
}

TEST(H2ServerFields, ResetsPseudoFieldsOutOfPlace) {
  const Fields good = get();
  for (size_t missing : {0, 1, 3}) {
    Fields fields = good;
    fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(missing));
    expect_reset(fields, good[missing].first.c_str());
  }
  for (const auto& field : good) {
    Fields twice = good;
    twice.push_back(field);
    expect_reset(twice, ("twice " + field.first).c_str());
  }
  expect_reset(get("/", {{"x", "y"}, {":authority", "h"}}), "late");
  expect_reset(get("/", {{":unknown", "y"}}), "unknown");
  expect_reset(get("/", {{":status", "200"}}), "of a response");
  expect_reset(get("/", {{":protocol", "websocket"}}), "protocol without CONNECT");
  expect_reset(get(""), "empty path");
  expect_reset({{":method", "GET"}, {":scheme", "https"}, {":path", "/"}}, "no host at all");
}

TEST(H2ServerFields, ResetsNamesThatAreNoHost) {
  for (const char* authority : {"a,b", "user@h", "h:x", "h:0", "h/", "h?", "a b", "h:80:80", "[::1", "%68"}) {
    Fields fields = get();
    fields[2].second = authority;
    expect_reset(fields, authority);
  }
  expect_reset(get("/", {{"host", "other"}}), "host disagrees");
  expect_reset(get("/", {{"host", "h:8443"}}), "port disagrees");
  expect_reset(get("/", {{"host", "h"}, {"host", "h"}}), "host twice");
  for (const char* scheme : {"ftp", "htt ps", "", "HTTPS:"}) {
    Fields fields = get();
    fields[1].second = scheme;
    expect_reset(fields, scheme);
  }
}

TEST(H2ServerFields, ResetsLyingLengths) {
  for (const char* length : {"1", "+0", "-1", "0x0", "", "1,1", "99999999999999999999"})
    expect_reset(get("/", {{"content-length", length}}), length);
  expect_reset(get("/", {{"content-length", "0"}, {"content-length", "0"}}), "twice");
  for (const char* bytes : {"ab", "abcd"}) {
    const std::string text =
        told(headers(1, get("/", {{"content-length", "3"}}), false) + content(1, bytes, true));
    EXPECT_TRUE(text.find("[1 lost 1 http2-") != std::string::npos) << text;
    EXPECT_EQ(std::string::npos, text.find("[1 end")) << text;
  }
}

TEST(H2ServerFields, ResetsTrailersThatAreNone) {
  for (const Fields& trailers : {Fields{{":path", "/"}}, Fields{{"X", "y"}}, Fields{{"connection", "x"}}}) {
    const std::string text = told(headers(1, get(), false) + headers(1, trailers));
    EXPECT_TRUE(text.starts_with("[1 GET / h][1 lost 1 http2-")) << text;
  }
  const std::string unended = told(headers(1, get(), false) + headers(1, {{"x", "y"}}, false));
  EXPECT_TRUE(unended.starts_with("[1 GET / h][1 lost 1 ")) << unended;
  const std::string large = told(headers(1, get(), false) + headers(1, {{"x", std::string(9000, 'y')}}));
  EXPECT_EQ("[1 GET / h][1 lost 1 trailers-too-large]", large);
}

// The status alone: no taker of the event has answered.
std::string refused(const Fields& fields, const HeadLimits& limits = {}) {
  H2Server server({}, limits);
  H2Peer peer;
  const uint32_t id = peer.request(fields);
  peer.talk(server);
  EXPECT_EQ("", server.notes.text);
  EXPECT_TRUE(server.codec.idle());
  EXPECT_TRUE(peer.answers[id].closed);
  EXPECT_TRUE(peer.goaways.empty());
  return peer.answers[id].fields.substr(0, peer.answers[id].fields.find('|'));
}

TEST(H2ServerFields, AnswersWhatItWillNotServe) {
  for (const char* path : {"/..", "/a%2fb", "/%00", "/a%5cb", "/%zz", "/%252e"})
    EXPECT_EQ("[:status=400", refused(get(path))) << path;
  Fields connect = {{":method", "CONNECT"}, {":authority", "h:443"}};
  EXPECT_EQ("[:status=405", refused(connect));
  EXPECT_EQ("[:status=417", refused(get("/", {{"expect", "the unexpected"}})));
}

TEST(H2ServerFields, AnswersTunnelsItDoesNotKnow) {
  H2Server server;
  server.receive(greeting() + headers(1,
                                      {{":method", "CONNECT"},
                                       {":protocol", "connect-udp"},
                                       {":scheme", "https"},
                                       {":path", "/"},
                                       {":authority", "h"}},
                                      false));
  EXPECT_EQ("", server.notes.text);
  EXPECT_EQ("HEADERS(1)DATA(1)RST(1,0)", outline(server.take_output()));
}

TEST(H2ServerFields, AnswersHeadsThatAreTooLarge) {
  EXPECT_EQ("[:status=431", refused(get("/", {{"x", std::string(20000, 'y')}})));
  Fields many = get();
  for (int i = 0; i < 100; ++i) many.emplace_back("x", "y");
  H2Server server;
  server.receive(greeting() + headers(1, many));
  EXPECT_TRUE(server.notes.text.starts_with("[1 GET / h|x=y"));
  many.emplace_back("x", "y");
  EXPECT_EQ("[:status=431", refused(many));
  Fields crumbs = get();
  for (int i = 0; i < 101; ++i) crumbs.emplace_back("cookie", "a");
  EXPECT_EQ("[:status=431", refused(crumbs));
  EXPECT_EQ("[:status=431", refused(get("/", {{"x", "y"}}), {.head_bytes = 40}));
}

TEST(H2ServerFields, LetsTheTakerAnswer) {
  struct Taker final : ServerEvents {
    explicit Taker(ServerCodec& codec_in) : codec(codec_in) {}
    void on_request(Stream&, RequestHead&) override {}
    size_t on_request_data(Stream&, std::string_view bytes) override { return bytes.size(); }
    void on_request_end(Stream&, std::string_view) override {}
    void on_response_writable(Stream&) override {}
    void on_stream_lost(Stream&, StreamError, const char*) override {}
    void on_protocol_error(const Refusal&) override {}
    bool on_request_refused(Stream& stream, const Refusal& refusal) override {
      reason = refusal.reason;
      EXPECT_TRUE(codec.send_local(stream, {.status = 410}));
      codec.finish(stream);
      return true;
    }
    ServerCodec& codec;
    std::string reason;
  };
  H2Server server;
  Taker taker(server.codec);
  std::string bytes = greeting() + headers(1, get("/.."));
  EXPECT_EQ(bytes.size(), server.codec.receive({bytes.data(), bytes.size()}, taker));
  EXPECT_EQ("bad-path", taker.reason);
  EXPECT_TRUE(server.codec.idle());
}

}  // namespace
}  // namespace mango::http::test
