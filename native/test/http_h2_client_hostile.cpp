// SPDX-License-Identifier: Apache-2.0
// The client's side of HTTP/2 against upstreams that break the rules, in frames written by hand.
#include "http_h2_client_support.h"

namespace mango::http::test {
namespace {

const FieldPairs kOk = {{":status", "200"}};

// What one GET brings when the upstream sends this after its SETTINGS. Another exchange must then still work,
// on the same connection, unless the connection is what broke.
std::string after_get(std::string_view bytes, Method method = Method::get) {
  Client client;
  EXPECT_NE(nullptr, client.start("GET / HTTP/1.1\r\nHost: h\r\n\r\n", method));
  std::string text = client.receive(settings());
  client.take_output();
  text += client.receive(bytes);
  if (text.find("connection error") != std::string::npos) {
    EXPECT_FALSE(client.codec.reusable());
    EXPECT_EQ(0U, client.codec.capacity());
    EXPECT_EQ("", client.receive(headers(1, kOk, kEnd)));
    return text;
  }
  Stream* const next = client.get();
  EXPECT_NE(nullptr, next);
  if (next == nullptr) return text;
  EXPECT_EQ("[3 response 200]fine[3 end]", client.receive(headers(3, kOk) + data(3, "fine", kEnd)));
  return text;
}

FieldPairs with(const std::string& name, const std::string& value) {
  return {{":status", "200"}, {name, value}};
}

TEST(H2ClientHostile, RefusesFieldsThatCouldMeanSomethingElsewhere) {
  const std::pair<FieldPairs, const char*> kCases[] = {
      {with("X-A", "b"), "upper-case-field-name"},
      {with("", "b"), "empty-field-name"},
      {with("a b", "c"), "bad-field-name"},
      {with("a:", "c"), "bad-field-name"},
      {with(std::string("a\0", 2), "c"), "bad-field-name"},
      {with("a\r\nb", "c"), "bad-field-name"},
      {with("a", "b\r\nset-cookie: x"), "control-character"},
      {with("a", "b\nc"), "control-character"},
      {with("a", std::string("b\0c", 3)), "control-character"},
      {with("a", " b"), "padded-field-value"},
      {with("a", "b\t"), "padded-field-value"},
      {with("connection", "close"), "connection-specific-field"},
      {with("keep-alive", "1"), "connection-specific-field"},
      {with("proxy-connection", "close"), "connection-specific-field"},
      {with("transfer-encoding", "chunked"), "connection-specific-field"},
      {with("upgrade", "h2c"), "connection-specific-field"},
      {with("te", "gzip"), "connection-specific-field"},
      {with(":path", "/"), "unknown-pseudo-field"},
      {with(":status", "200"), "duplicate-status"},
      {{{"a", "b"}, {":status", "200"}}, "missing-status"},
      {{{":status", "200"}, {"a", "b"}, {":status", "200"}}, "late-pseudo-field"},
      {{}, "missing-status"},
      {{{":status", ""}}, "bad-status"},
      {{{":status", "99"}}, "bad-status"},
      {{{":status", "600"}}, "bad-status"},
      {{{":status", "+20"}}, "bad-status"},
      {{{":status", "2000"}}, "bad-status"},
      {{{":status", "020"}}, "bad-status"},
      {with("content-length", "-1"), "bad-content-length"},
      {with("content-length", "1, 1"), "bad-content-length"},
      {with("content-length", "99999999999999999999"), "bad-content-length"},
      {{{":status", "200"}, {"content-length", "1"}, {"content-length", "1"}}, "duplicate-content-length"},
  };
  for (const auto& [fields, reason] : kCases)
    EXPECT_EQ("[1 error 502 " + std::string(reason) + "]",
              after_get(headers(1, fields) + data(1, "x", kEnd)));
}

TEST(H2ClientHostile, ResetsTheStreamItRefuses) {
  Client client;
  (void)client.get();
  client.receive(settings());
  client.take_output();
  client.receive(headers(1, with("A", "b")));
  EXPECT_EQ(frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_PROTOCOL_ERROR)), client.take_output());
}

// --- sizes ---

// A header block in as many frames as it takes.
std::string spread(uint32_t stream, std::string_view text, uint8_t flags = 0, size_t piece = 16'384) {
  std::string out;
  uint8_t type = NGHTTP2_HEADERS;
  do {
    const std::string_view part = text.substr(0, piece);
    text.remove_prefix(part.size());
    const uint8_t last = text.empty() ? NGHTTP2_FLAG_END_HEADERS : NGHTTP2_FLAG_NONE;
    out += frame(type, static_cast<uint8_t>(flags | last), stream, part);
    type = NGHTTP2_CONTINUATION;
    flags = 0;
  } while (!text.empty());
  return out;
}

// One field into HPACK's table, and then references to it of one octet each.
std::string bomb(size_t value_bytes, size_t references) {
  std::string field = block({{"a", std::string(value_bytes, 'x')}});
  field[0] = '\x40';
  return block(kOk) + field + std::string(references, '\xbe');
}

FieldPairs many(size_t count) {
  FieldPairs fields = kOk;
  for (size_t i = 0; i < count; ++i) fields.emplace_back("a", "b");
  return fields;
}

TEST(H2ClientHostile, BoundsTheHead) {
  const FieldPairs large = {
      {":status", "200"}, {"a", std::string(20'000, 'x')}, {"b", std::string(13'000, 'x')}};
  EXPECT_EQ("[1 error 502 head-too-large]", after_get(spread(1, block(large))));
  EXPECT_EQ("[1 error 502 head-too-large]", after_get(spread(1, bomb(3'000, 20))));
  EXPECT_EQ("[1 response 200][1 end]", after_get(headers(1, many(256), kEnd)));
  EXPECT_EQ("[1 error 502 too-many-fields]", after_get(headers(1, many(257), kEnd)));
}

TEST(H2ClientHostile, BoundsTheTrailers) {
  const std::string begun = headers(1, kOk) + data(1, "x");
  const std::string told = "[1 response 200]x[1 error 502 ";
  EXPECT_EQ(told + "trailers-too-large]",
            after_get(begun + headers(1, {{"a", std::string(9'000, 'x')}}, kEnd)));
  FieldPairs trailers(33, {"a", "b"});
  EXPECT_EQ(told + "too-many-trailers]", after_get(begun + headers(1, trailers, kEnd)));
  EXPECT_EQ(told + "pseudo-field-in-trailers]", after_get(begun + headers(1, kOk, kEnd)));
  EXPECT_EQ(told + "control-character]", after_get(begun + headers(1, {{"a", "b\r\nc: d"}}, kEnd)));
}

TEST(H2ClientHostile, EndsTheConnectionOfABomb) {
  const std::string told = "[connection error 502 http2-header-bomb]";
  EXPECT_EQ("[1 error 502 head-too-large]" + told, after_get(spread(1, bomb(4'000, 50))));
  EXPECT_EQ("[1 error 502 too-many-fields]" + told, after_get(spread(1, bomb(1, 1'200))));
  EXPECT_EQ("[1 response 200][1 error 502 second-head]" + told,
            after_get(headers(1, kOk) + spread(1, bomb(4'000, 50))))
      << "nobody wants that block, but it costs the same";
}

TEST(H2ClientHostile, EndsTheConnectionOfAContinuationFlood) {
  std::string flood = frame(NGHTTP2_HEADERS, 0, 1, block(kOk));
  for (int i = 0; i < 10; ++i) flood += frame(NGHTTP2_CONTINUATION, 0, 1, "");
  EXPECT_EQ("[connection error 502 http2-continuation-flood]", after_get(flood));
  std::string ignored = frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_CANCEL)) + flood;
  for (int i = 0; i < 100; ++i) ignored += frame(NGHTTP2_CONTINUATION, 0, 1, "");
  EXPECT_EQ("[1 lost cancelled][connection error 502 http2-continuation-flood]", after_get(ignored));
}

// --- order ---

TEST(H2ClientHostile, RefusesWhatComesInTheWrongOrder) {
  EXPECT_EQ("[connection error 502 http2-protocol]", after_get(data(1, "x"))) << "the library insists";
  EXPECT_EQ("[1 interim 103][1 error 502 content-before-head]",
            after_get(headers(1, {{":status", "103"}}) + data(1, "", kEnd)));
  EXPECT_EQ("[1 interim 103][1 error 502 content-before-head]",
            after_get(headers(1, {{":status", "103"}}) + data(1, "x", kEnd)));
  EXPECT_EQ("[1 response 200][1 error 502 second-head]",
            after_get(headers(1, kOk) + headers(1, kOk) + data(1, "x", kEnd)));
  EXPECT_EQ("[1 error 502 interim-head-ends-stream]", after_get(headers(1, {{":status", "103"}}, kEnd)));
  EXPECT_EQ("[1 error 502 unexpected-101]", after_get(headers(1, {{":status", "101"}})));
}

TEST(H2ClientHostile, RefusesALyingContentLength) {
  const std::string head = headers(1, with("content-length", "4"));
  EXPECT_EQ("[1 response 200]abc[1 error 502 content-too-short]", after_get(head + data(1, "abc", kEnd)));
  EXPECT_EQ("[1 response 200]abc[1 error 502 content-too-short]",
            after_get(head + data(1, "abc") + headers(1, {{"a", "b"}}, kEnd)));
  EXPECT_EQ("[1 response 200]abc[1 error 502 content-too-long]",
            after_get(head + data(1, "abc") + data(1, "de", kEnd)));
  EXPECT_EQ("[1 error 502 content-too-short]", after_get(headers(1, with("content-length", "4"), kEnd)));
}

TEST(H2ClientHostile, RefusesContentWhereThereIsNone) {
  EXPECT_EQ("[1 response 200][1 error 502 unexpected-content]",
            after_get(headers(1, with("content-length", "4")) + data(1, "abcd", kEnd), Method::head));
  EXPECT_EQ("[1 response 204][1 error 502 unexpected-content]",
            after_get(headers(1, {{":status", "204"}}) + data(1, "x", kEnd)));
  EXPECT_EQ("[1 response 304][1 error 502 unexpected-content]",
            after_get(headers(1, {{":status", "304"}}) + data(1, "x", kEnd)));
}

TEST(H2ClientHostile, BoundsTheInterimHeads) {
  std::string many_heads;
  for (int i = 0; i < 16; ++i) many_heads += headers(1, {{":status", "103"}});
  EXPECT_TRUE(after_get(many_heads + headers(1, kOk, kEnd)).ends_with("[1 response 200][1 end]"));
  EXPECT_TRUE(after_get(many_heads + headers(1, {{":status", "103"}}) + headers(1, kOk, kEnd))
                  .ends_with("[1 interim 103][1 error 502 too-many-interim-responses]"));
}

TEST(H2ClientHostile, RefusesHeadsWithinATunnel) {
  Client client;
  client.receive(settings({{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}}));
  ASSERT_NE(nullptr, client.websocket());
  EXPECT_EQ("[1 response 101]x[1 error 502 head-in-tunnel]",
            client.receive(headers(1, kOk) + data(1, "x") + headers(1, {{"a", "b"}}, kEnd)));
}

TEST(H2ClientHostile, IgnoresWhatFollowsAResetInTheSameBytes) {
  EXPECT_EQ("[1 response 200][1 lost cancelled]",
            after_get(headers(1, kOk) + frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_CANCEL)) +
                      data(1, "late", kEnd)));
  EXPECT_EQ("[1 error 502 upper-case-field-name]",
            after_get(headers(1, with("A", "b")) + data(1, "late") + headers(1, {{"late", "1"}}, kEnd)));
}

// --- the connection ---

TEST(H2ClientHostile, EndsAConnectionThatBreaksItsRules) {
  const std::pair<std::string, const char*> kCases[] = {
      {frame(NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, 1, number(2) + block(kOk)),
       "http2-unexpected-push"},
      {data(9, "x"), "http2-protocol"},
      {headers(9, kOk), "http2-protocol"},
      {headers(2, kOk), "http2-protocol"},
      {data(0, "x"), "http2-protocol"},
      {frame(NGHTTP2_SETTINGS, 0, 0, "12345"), "http2-frame-size"},
      {frame(NGHTTP2_PING, 0, 0, "1"), "http2-frame-size"},
      {data(1, std::string(16'385, 'x')), "http2-frame-size"},
      {frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(0x7fffffff)), "http2-flow-control"},
      {settings({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0x80000000}}), "http2-flow-control"},
      {frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, "\xff\xff\xff\xff\xff\xff\xff"),
       "http2-compression"},
      {frame(NGHTTP2_HEADERS, 0, 1, block(kOk)) + data(1, "x"), "http2-protocol"},
      {frame(NGHTTP2_RST_STREAM, 0, 7, number(NGHTTP2_CANCEL)), "http2-protocol"},
  };
  for (const auto& [bytes, reason] : kCases)
    EXPECT_EQ("[connection error 502 " + std::string(reason) + "]", after_get(bytes));
}

TEST(H2ClientHostile, SaysGoodbyeToAConnectionItGivesUp) {
  Client client;
  (void)client.get();
  client.receive(settings());
  client.take_output();
  client.receive(data(9, "x"));
  const std::string goodbye = client.take_output();
  EXPECT_EQ(frame(NGHTTP2_GOAWAY, 0, 0, number(0) + number(NGHTTP2_PROTOCOL_ERROR)).substr(3, 14),
            goodbye.substr(3, 14));
}

TEST(H2ClientHostile, KnowsAnUpstreamThatSpeaksNoHttp2) {
  Client client;
  (void)client.get();
  EXPECT_EQ("[connection error 502 not-http2]",
            client.receive("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
  Client other;
  other.codec.open();
  EXPECT_EQ("[connection error 502 not-http2]", other.receive(headers(1, kOk)));
}

TEST(H2ClientHostile, EndsAStreamWhoseWindowIsOverrun) {
  Client client;
  client.appetite = 0;
  (void)client.get();
  client.receive(settings());
  client.receive(frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, ""));
  std::string events = client.receive(headers(1, kOk));
  for (int i = 0; i < 6; ++i) events += client.receive(data(1, std::string(16'000, 'x')));
  EXPECT_EQ("[1 response 200][1 lost protocol]", events);
  EXPECT_TRUE(client.codec.reusable());
}

TEST(H2ClientHostile, BudgetsFramesThatBringNothing) {
  const std::string kFrames[] = {
      frame(NGHTTP2_PING, 0, 0, "12345678"),
      frame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "12345678"),
      settings(),
      settings({{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100}}),
      frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(1)),
      frame(NGHTTP2_PRIORITY, 0, 1, std::string(5, '\0')),
      frame(0x77, 0, 0, "unknown"),
      frame(0xff, 0, 1, ""),
      data(1, ""),
      data(1, '\x05' + std::string(5, '\0'), NGHTTP2_FLAG_PADDED),
      frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_CANCEL)),
  };
  for (const std::string& each : kFrames) {
    Client client;
    (void)client.get();
    std::string flood = settings() + headers(1, kOk);
    for (int i = 0; i < 1100; ++i) flood += each;
    const std::string events = client.receive(flood);
    EXPECT_TRUE(events.ends_with("[connection error 502 http2-control-flood]")) << events;
    EXPECT_LT(client.output.size(), 40'000U);
  }
}

TEST(H2ClientHostile, LetsTimeAndContentRefillTheBudget) {
  Client client({.control_burst = 10, .controls_per_second = 10});
  client.finishes = false;
  (void)client.get();
  const std::string ping = frame(NGHTTP2_PING, 0, 0, "12345678");
  client.receive(settings() + headers(1, kOk));
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ("x", client.receive(data(1, "x") + ping));
    client.clock.now += 100;
    EXPECT_EQ("", client.receive(ping));
  }
  std::string flood;
  for (int i = 0; i < 11; ++i) flood += ping;
  EXPECT_EQ("[connection error 502 http2-control-flood]", client.receive(flood));
}

TEST(H2ClientHostile, BudgetsAWindowThatOpensByOctets) {
  Client client;
  client.receive(settings({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}}));
  Stream* const stream = client.post();
  client.to_send = std::string(10'000, 'c');
  EXPECT_EQ(0U, client.codec.send_data(*stream, client.to_send));
  std::string events;
  for (int i = 0; i < 1100; ++i) events = client.receive(frame(NGHTTP2_WINDOW_UPDATE, 0, 1, number(1)));
  EXPECT_EQ("", events) << "the end was told before";
  EXPECT_FALSE(client.codec.reusable());
}

TEST(H2ClientHostile, LetsAnUpstreamAnswerEachMessageWithControlFrames) {
  Client client;
  client.finishes = false;
  Stream* const stream = client.post();
  client.receive(settings() + headers(1, kOk));
  const std::string answer = frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(2)) +
                             frame(NGHTTP2_WINDOW_UPDATE, 0, 1, number(2)) +
                             frame(NGHTTP2_PING, 0, 0, "12345678");
  for (int i = 0; i < 5'000; ++i) {
    ASSERT_EQ(2U, client.codec.send_data(*stream, "hi")) << i;
    ASSERT_EQ("", client.receive(answer)) << i;
  }
}

TEST(H2ClientHostile, QueuesLittleForAnUpstreamThatDoesNotRead) {
  Client client({.control_burst = 1'000'000});
  (void)client.get();
  client.receive(settings());
  client.take_output();
  client.full = true;
  std::string events;
  for (int i = 0; i < 100'000 && events.empty(); ++i)
    events = client.receive(frame(NGHTTP2_PING, 0, 0, "12345678"));
  EXPECT_EQ("[connection error 502 http2-control-flood]", events);
  EXPECT_EQ("", client.output);
}

// --- splits ---

TEST(H2ClientHostile, SaysTheSameHoweverTheBytesArrive) {
  const std::string inputs[] = {
      settings() + headers(1, {{":status", "103"}}) + headers(1, with("content-length", "11")) +
          data(1, "hello ") + data(1, "world") + headers(1, {{"t", "1"}}, kEnd),
      settings() + spread(1, block(many(20)), 0, 7) + data(1, "x", kEnd),
      settings() + headers(1, kOk) + data(1, "x") + headers(1, with("A", "b"), kEnd),
      settings() + headers(1, kOk) + data(7, "x"),
  };
  const auto said = [](std::string_view bytes, size_t step) {
    Client client;
    (void)client.get();
    std::string text;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size())))
      text += client.receive(bytes.substr(0, step));
    return text;
  };
  for (const std::string& input : inputs)
    for (size_t step = 1; step < 40; ++step) EXPECT_EQ(said(input, input.size()), said(input, step)) << step;
}

}  // namespace
}  // namespace mango::http::test
