// SPDX-License-Identifier: Apache-2.0
// How streams, connections and tunnels end on the client's side of HTTP/2, and how many may be open.
#include "http_h2_client_support.h"

namespace mango::http {

struct H2ClientPeek {
  static void skip_to_last_stream(H2ClientCodec& codec) {
    EXPECT_EQ(0, nghttp2_session_set_next_stream_id(codec.session(), INT32_MAX));
  }
};

namespace test {
namespace {

const FieldPairs kOk = {{":status", "200"}};

// --- ends ---

TEST(H2ClientCodec, CancelsWhatIsFinishedEarly) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  Stream* const first = client.get();
  Stream* const second = client.get();
  converse(client, upstream);
  EXPECT_TRUE(client.codec.finish(*first));
  converse(client, upstream);
  EXPECT_EQ(NGHTTP2_CANCEL, upstream.requests[1].reset);
  upstream.respond(3, kOk, "x");
  EXPECT_EQ("[3 response 200]x[3 end]", converse(client, upstream));
  (void)second;
}

TEST(H2ClientCodec, ForgetsAStreamFinishedWithinItsEvents) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  (void)client.get();
  (void)client.get();
  converse(client, upstream);
  client.on_event = [&](Stream& stream) { EXPECT_TRUE(stream.id != 1 || client.codec.finish(stream)); };
  upstream.respond(1, {{":status", "200"}, {"content-length", "4"}}, "gone");
  upstream.respond(3, kOk, "here");
  EXPECT_EQ("[1 response 200][3 response 200]here[3 end]", converse(client, upstream));
  EXPECT_EQ(100U, client.codec.capacity());
}

TEST(H2ClientCodec, EndsARequestThatTheResponseOvertook) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  (void)client.post();
  converse(client, upstream);
  upstream.respond(1, {{":status", "413"}}, "too much");
  EXPECT_EQ("[1 response 413]too much[1 end]", converse(client, upstream));
  EXPECT_EQ(NGHTTP2_NO_ERROR, upstream.requests[1].reset);
  EXPECT_TRUE(client.codec.reusable());
}

TEST(H2ClientCodec, TakesAResetAfterACompleteResponseForANormalEnd) {
  Client client;
  client.finishes = false;
  Stream* const stream = client.post();
  const std::string events = client.receive(settings() + headers(1, kOk) + data(1, "no", kEnd) +
                                            frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_NO_ERROR)));
  EXPECT_EQ("[1 response 200]no[1 end]", events);
  EXPECT_EQ(4U, client.codec.send_data(*stream, "more")) << "to nobody";
  EXPECT_TRUE(client.codec.send_end(*stream, {}));
  EXPECT_TRUE(client.codec.finish(*stream));
}

TEST(H2ClientCodec, TellsWhyTheUpstreamGaveAStreamUp) {
  const std::pair<uint32_t, const char*> kCodes[] = {{NGHTTP2_REFUSED_STREAM, "[1 lost refused]"},
                                                     {NGHTTP2_CANCEL, "[1 lost cancelled]"},
                                                     {NGHTTP2_INTERNAL_ERROR, "[1 lost internal]"},
                                                     {NGHTTP2_PROTOCOL_ERROR, "[1 lost protocol]"},
                                                     {NGHTTP2_NO_ERROR, "[1 lost internal]"},
                                                     {NGHTTP2_ENHANCE_YOUR_CALM, "[1 lost calm]"},
                                                     {0x12345678, "[1 lost protocol]"}};
  for (const auto& [code, expected] : kCodes) {
    Client client;
    (void)client.get();
    EXPECT_EQ(expected, client.receive(settings() + frame(NGHTTP2_RST_STREAM, 0, 1, number(code))));
    EXPECT_EQ(100U, client.codec.capacity());
    EXPECT_TRUE(client.codec.reusable());
  }
}

TEST(H2ClientCodec, DoesNotBelieveThatABegunResponseWasRefused) {
  Client client;
  (void)client.get();
  EXPECT_EQ("[1 response 200][1 lost internal]",
            client.receive(settings() + headers(1, kOk) +
                           frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_REFUSED_STREAM))));
}

// --- capacity ---

TEST(H2ClientCodec, StartsAsManyRequestsAsBothSidesAllow) {
  Client client({.max_concurrent_streams = 20});
  Upstream upstream({{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2}});
  EXPECT_EQ(1U, client.codec.capacity()) << "before the upstream said anything";
  EXPECT_FALSE(client.codec.settled());
  meet(client, upstream);
  EXPECT_EQ(1, client.capacity_changes);
  EXPECT_EQ(2U, client.codec.capacity());
  Stream* const first = client.get();
  ASSERT_NE(nullptr, client.get());
  EXPECT_EQ(0U, client.codec.capacity());
  EXPECT_EQ(nullptr, client.get());
  EXPECT_TRUE(client.codec.finish(*first));
  EXPECT_EQ(1U, client.codec.capacity());
  ASSERT_NE(nullptr, client.get());
  converse(client, upstream);
  EXPECT_EQ(1U, upstream.requests.count(5));
  EXPECT_FALSE(upstream.failed);
  const nghttp2_settings_entry more[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 5}};
  nghttp2_submit_settings(upstream.session(), 0, more, 1);
  client.capacity_changes = 0;
  converse(client, upstream);
  EXPECT_EQ(1, client.capacity_changes);
  EXPECT_EQ(3U, client.codec.capacity());
}

TEST(H2ClientCodec, StartsNothingAfterGoawayAndSaysWhatWasNotProcessed) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  (void)client.get();
  (void)client.get();
  converse(client, upstream);
  client.capacity_changes = 0;
  nghttp2_submit_goaway(upstream.session(), 0, 1, NGHTTP2_NO_ERROR, nullptr, 0);
  EXPECT_EQ("[3 lost refused]", converse(client, upstream));
  EXPECT_EQ(1, client.capacity_changes);
  EXPECT_EQ(0U, client.codec.capacity());
  EXPECT_FALSE(client.codec.reusable());
  EXPECT_EQ(nullptr, client.get());
  upstream.respond(1, kOk, "still");
  EXPECT_EQ("[1 response 200]still[1 end]", converse(client, upstream));
}

TEST(H2ClientCodec, CountsARequestThatMetAGoawayAsRefused) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  (void)client.get();
  converse(client, upstream);
  client.on_event = [&](Stream& stream) {
    if (stream.id == 1 && client.codec.capacity() == 99) (void)client.get();
  };
  EXPECT_EQ("[1 response 200]x[1 end][3 lost refused]",
            client.receive(headers(1, kOk) + data(1, "x", kEnd) +
                           frame(NGHTTP2_GOAWAY, 0, 0, number(1) + number(NGHTTP2_NO_ERROR))));
}

TEST(H2ClientCodec, HasRoomForAnotherAttemptWhileItTellsALoss) {
  Client client({.max_concurrent_streams = 1});
  (void)client.get();
  EXPECT_EQ(0U, client.codec.capacity());
  bool retried = false;
  client.on_loss = [&] { retried = client.get() != nullptr; };
  client.receive(settings() + frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_REFUSED_STREAM)));
  EXPECT_TRUE(retried);
  EXPECT_EQ("[3 response 200]x[3 end]", client.receive(headers(3, kOk) + data(3, "x", kEnd)));
}

TEST(H2ClientCodec, SaysWhenTheLastStreamOfAClosingConnectionIsOver) {
  Client client;
  client.finishes = false;
  client.receive(settings());
  Stream* const stream = client.get();
  Stream* const other = client.get();
  client.receive(frame(NGHTTP2_GOAWAY, 0, 0, number(3) + number(NGHTTP2_NO_ERROR)) + headers(1, kOk, kEnd) +
                 headers(3, kOk, kEnd));
  EXPECT_TRUE(client.codec.finish(*stream));
  EXPECT_FALSE(client.codec.finish(*other));
}

TEST(H2ClientCodec, ClosesWhenTheStreamIdsAreUsedUp) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  client.finishes = false;
  H2ClientPeek::skip_to_last_stream(client.codec);
  EXPECT_EQ(100U, client.codec.capacity());
  Stream* const last = client.get();
  ASSERT_NE(nullptr, last);
  EXPECT_EQ(0U, client.codec.capacity());
  EXPECT_FALSE(client.codec.reusable());
  converse(client, upstream);
  upstream.respond(INT32_MAX, kOk, "x");
  EXPECT_EQ("[2147483647 response 200]x[2147483647 end]", converse(client, upstream));
  EXPECT_FALSE(client.codec.finish(*last));
}

TEST(H2ClientCodec, EndsNoResponseWithItsConnection) {
  Client client;
  (void)client.get();
  EXPECT_EQ("[1 response 200]x", client.receive(settings() + headers(1, kOk) + data(1, "x")));
  EXPECT_FALSE(client.codec.receive_end(client));
  EXPECT_EQ(0U, client.codec.capacity());
  EXPECT_FALSE(client.codec.reusable());
}

TEST(H2ClientCodec, ReadsOnWhenTheUpstreamTakesNothingMore) {
  Client client;
  Stream* const stream = client.post();
  client.broken = true;
  EXPECT_EQ(3U, client.codec.send_data(*stream, "abc"));
  EXPECT_EQ("[1 response 403]no[1 end]",
            client.receive(settings() + headers(1, {{":status", "403"}}) + data(1, "no", kEnd)));
  EXPECT_FALSE(client.codec.reusable());
}

TEST(H2ClientCodec, SaysNothingMoreOnceItIsClosed) {
  Client client;
  client.receive(settings());
  (void)client.get();
  (void)client.get();
  client.on_event = [&](Stream&) { client.codec.close(); };
  EXPECT_EQ("[1 response 200]", client.receive(headers(1, kOk) + data(1, "x", kEnd) + headers(3, kOk, kEnd)));
  EXPECT_EQ("", client.receive(headers(3, kOk, kEnd)));
  client.codec.writable(client);
  EXPECT_EQ("", client.take_text());
  EXPECT_EQ(0U, client.codec.capacity());
}

// --- tunnels ---

TEST(H2ClientCodec, OpensATunnel) {
  Client client;
  Upstream upstream({{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}});
  EXPECT_FALSE(client.codec.tunnels());
  EXPECT_EQ(nullptr, client.websocket()) << "before the upstream said that it can";
  client.codec.open();
  converse(client, upstream);
  EXPECT_TRUE(client.codec.tunnels());
  Stream* const stream = client.websocket();
  ASSERT_NE(nullptr, stream);
  converse(client, upstream);
  EXPECT_EQ(
      ":method=CONNECT|:scheme=http|:authority=h|:path=/chat|:protocol=websocket|sec-websocket-version=13|",
      upstream.requests[1].fields);
  EXPECT_FALSE(upstream.requests[1].ended);
  client.shows_fields = true;
  client.finishes = false;
  upstream.respond(1, {{":status", "200"}, {"sec-websocket-accept", "?"}, {"sec-websocket-protocol", "chat"}},
                   "down");
  EXPECT_EQ(
      "[1 response 101 none upgrade=websocket sec-websocket-protocol=chat "
      "sec-websocket-accept=s3pPLMBiTxaQ9kYGzzhZRbK+xOo=]down[1 end]",
      converse(client, upstream));
  EXPECT_EQ(2U, client.codec.send_data(*stream, "up")) << "the other direction goes on";
  converse(client, upstream);
  EXPECT_EQ("up", upstream.requests[1].content);
  EXPECT_FALSE(upstream.requests[1].ended);
  EXPECT_TRUE(client.codec.send_end(*stream, {}));
  EXPECT_EQ("", converse(client, upstream));
  EXPECT_TRUE(upstream.requests[1].ended);
  EXPECT_TRUE(client.codec.finish(*stream));
  EXPECT_EQ(-1, upstream.requests[1].reset);
}

TEST(H2ClientCodec, ClosesATunnelsRequestDirectionFirst) {
  Client client;
  Stream* stream = nullptr;
  client.receive(settings({{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}}));
  ASSERT_NE(nullptr, stream = client.websocket());
  EXPECT_EQ("[1 response 101]", client.receive(headers(1, kOk)));
  EXPECT_TRUE(client.codec.send_end(*stream, {}));
  EXPECT_EQ("rest[1 end]", client.receive(data(1, "rest", kEnd)));
}

TEST(H2ClientCodec, TellsARefusedTunnelAsTheResponseItIs) {
  Client client;
  Upstream upstream({{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}});
  meet(client, upstream);
  ASSERT_NE(nullptr, client.websocket());
  converse(client, upstream);
  upstream.respond(1, {{":status", "403"}}, "no");
  EXPECT_EQ("[1 response 403]no[1 end]", converse(client, upstream));
  EXPECT_EQ(NGHTTP2_NO_ERROR, upstream.requests[1].reset);
}

TEST(H2ClientCodec, LosesATunnelThatIsResetAfterItsFirstHalf) {
  Client client;
  client.finishes = false;
  client.receive(settings({{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}}));
  ASSERT_NE(nullptr, client.websocket());
  EXPECT_EQ("[1 response 101][1 end][1 lost cancelled]",
            client.receive(headers(1, kOk) + data(1, "", kEnd) +
                           frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_CANCEL))));
}

}  // namespace
}  // namespace test
}  // namespace mango::http
