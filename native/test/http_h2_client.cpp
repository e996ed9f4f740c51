// SPDX-License-Identifier: Apache-2.0
// The client's side of HTTP/2 against a server that keeps the rules.
#include "http_h2_client_support.h"

namespace mango::http::test {
namespace {

const FieldPairs kOk = {{":status", "200"}};

TEST(H2ClientCodec, CarriesAnExchange) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  Stream* const stream = client.start(
      "GET /a?b=c HTTP/1.1\r\nHost: example.org:8080\r\nAccept: */*\r\nConnection: TE\r\nTE: "
      "trailers\r\n\r\n");
  ASSERT_NE(nullptr, stream);
  EXPECT_EQ("", converse(client, upstream));
  EXPECT_EQ(":method=GET|:scheme=http|:authority=example.org:8080|:path=/a?b=c|accept=*/*|te=trailers|",
            upstream.requests[1].fields);
  EXPECT_TRUE(upstream.requests[1].ended);
  upstream.respond(1, {{":status", "200"}, {"content-length", "5"}, {"x-a", "b"}}, "hello");
  client.shows_fields = true;
  EXPECT_EQ("[1 response 200 length 5 content-length=5 x-a=b]hello[1 end]", converse(client, upstream));
  EXPECT_TRUE(client.codec.reusable());
  EXPECT_EQ(-1, upstream.requests[1].reset) << "nothing is reset that has ended";
  EXPECT_FALSE(upstream.failed);
}

TEST(H2ClientCodec, SendsContentAndTrailers) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  Stream* const stream = client.post();
  ASSERT_NE(nullptr, stream);
  converse(client, upstream);
  EXPECT_EQ(5U, client.codec.send_data(*stream, "hello"));
  EXPECT_EQ(6U, client.codec.send_data(*stream, " world"));
  EXPECT_TRUE(client.codec.send_end(*stream, "X-Sum: 1\r\nGrpc-Status: 0\r\n"));
  converse(client, upstream);
  EXPECT_EQ("hello world", upstream.requests[1].content);
  EXPECT_EQ("x-sum=1|grpc-status=0|", upstream.requests[1].trailers);
  EXPECT_TRUE(upstream.requests[1].ended);
}

TEST(H2ClientCodec, ReceivesTrailers) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  (void)client.post();
  converse(client, upstream);
  upstream.respond(1, {{":status", "200"}, {"content-type", "application/grpc"}}, "m",
                   {{"grpc-status", "0"}, {"set-cookie", "late"}, {"grpc-message", "fine"}});
  EXPECT_EQ("[1 response 200]m[1 end grpc-status: 0\r\ngrpc-message: fine\r\n]", converse(client, upstream));
}

TEST(H2ClientCodec, CarriesManyExchangesAtOnce) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  for (int i = 0; i < 50; ++i) ASSERT_NE(nullptr, client.get("/" + std::to_string(i)));
  EXPECT_EQ(50U, client.codec.capacity());
  converse(client, upstream);
  ASSERT_EQ(50U, upstream.requests.size());
  for (const auto& [id, request] : upstream.requests)
    upstream.respond(id, kOk, ("answer to " + request.fields).c_str());
  converse(client, upstream);
  for (const auto& [id, request] : upstream.requests)
    EXPECT_EQ("answer to " + request.fields, client.contents[id]);
  EXPECT_EQ(100U, client.codec.capacity());
}

TEST(H2ClientCodec, KnowsHowResponsesAreFramed) {
  struct Case {
    Method method;
    FieldPairs fields;
    const char* content;
    const char* expected;
  };
  const Case cases[] = {
      {Method::get, kOk, "x", "[1 response 200 chunked]x[1 end]"},
      {Method::get, kOk, nullptr, "[1 response 200 none content-length=0][1 end]"},
      {Method::get,
       {{":status", "200"}, {"content-length", "0"}},
       nullptr,
       "[1 response 200 none content-length=0][1 end]"},
      {Method::get, {{":status", "204"}}, nullptr, "[1 response 204 none][1 end]"},
      {Method::get,
       {{":status", "304"}, {"content-length", "7"}},
       nullptr,
       "[1 response 304 none content-length=7][1 end]"},
      {Method::head,
       {{":status", "200"}, {"content-length", "7"}},
       nullptr,
       "[1 response 200 none content-length=7][1 end]"},
      {Method::head, kOk, "", "[1 response 200 none][1 end]"},
      {Method::get,
       {{":status", "200"}, {"content-length", "0"}},
       "",
       "[1 response 200 length 0 content-length=0][1 end]"},
  };
  for (const Case& each : cases) {
    Client client;
    Upstream upstream;
    meet(client, upstream);
    client.shows_fields = true;
    ASSERT_NE(nullptr, client.start("GET / HTTP/1.1\r\nHost: h\r\n\r\n", each.method));
    converse(client, upstream);
    upstream.respond(1, each.fields, each.content);
    EXPECT_EQ(each.expected, converse(client, upstream));
  }
}

TEST(H2ClientCodec, TellsInterimHeads) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  Stream* const stream = client.post();
  converse(client, upstream);
  upstream.interim(1, {{":status", "100"}});
  EXPECT_EQ("[1 interim 100]", converse(client, upstream));
  EXPECT_EQ(2U, client.codec.send_data(*stream, "ab"));
  EXPECT_TRUE(client.codec.send_end(*stream, {}));
  upstream.interim(1, {{":status", "103"}, {"link", "</x>"}});
  upstream.respond(1, kOk, "done");
  EXPECT_EQ("[1 interim 103][1 response 200]done[1 end]", converse(client, upstream));
  EXPECT_EQ("ab", upstream.requests[1].content);
}

// --- windows ---

TEST(H2ClientCodec, SendsNoMoreThanTheWindowAllowsAndGoesOnWhenItOpens) {
  Client client;
  Upstream upstream({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1000}});
  meet(client, upstream);
  Stream* const stream = client.post();
  const std::string content(1'000'000, 'c');
  client.to_send = content.substr(client.codec.send_data(*stream, content));
  EXPECT_EQ(content.size() - 1000, client.to_send.size());
  EXPECT_EQ(0U, client.codec.send_data(*stream, "c"));
  converse(client, upstream);
  EXPECT_EQ(content, upstream.requests[1].content);
  EXPECT_TRUE(upstream.requests[1].ended);
}

TEST(H2ClientCodec, WaitsWhileItsConnectionIsCongested) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  Stream* const stream = client.post();
  converse(client, upstream);
  client.full = true;
  EXPECT_EQ(0U, client.codec.send_data(*stream, "later"));
  client.codec.writable(client);
  EXPECT_EQ("", client.take_text());
  client.full = false;
  client.to_send = "later";
  client.codec.writable(client);
  EXPECT_EQ("[1 writable]", client.take_text());
  converse(client, upstream);
  EXPECT_EQ("later", upstream.requests[1].content);
  EXPECT_TRUE(upstream.requests[1].ended);
}

TEST(H2ClientCodec, StartsRequestsAndSendsContentWithinEvents) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  (void)client.get();
  converse(client, upstream);
  Stream* other = nullptr;
  client.on_event = [&](Stream& stream) {
    if (stream.id != 1 || other != nullptr) return;
    other = client.post();
    ASSERT_NE(nullptr, other);
    EXPECT_EQ(0U, client.codec.send_data(*other, "soon"))
        << "nothing is written within the library's callbacks";
  };
  client.to_send = "soon";
  upstream.respond(1, kOk, "x");
  EXPECT_EQ("[1 response 200]x[1 end][3 writable]", converse(client, upstream));
  EXPECT_EQ("soon", upstream.requests[3].content);
}

TEST(H2ClientCodec, HoldsWhatIsNotTakenAndOffersItAgain) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  client.finishes = false;
  Stream* const stream = client.get();
  converse(client, upstream);
  const std::string content(300'000, 'c');
  upstream.respond(1, kOk, content.c_str(), {{"x-t", "1"}});
  client.appetite = 10;
  converse(client, upstream);
  EXPECT_EQ(10U, client.contents[1].size()) << "no more is offered until somebody asks for it";
  EXPECT_FALSE(client.codec.complete(*stream));
  client.appetite = 20'000;
  for (int i = 0; i < 40 && client.contents[1].size() < content.size(); ++i) {
    EXPECT_TRUE(client.codec.resume(*stream, client));
    converse(client, upstream);
  }
  EXPECT_EQ(content, client.contents[1]);
  EXPECT_TRUE(client.codec.complete(*stream));
  EXPECT_FALSE(client.codec.finish(*stream) && !client.codec.reusable());
}

TEST(H2ClientCodec, KeepsACompleteResponseForATakerInNoHurry) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  client.finishes = false;
  Stream* const stream = client.get();
  converse(client, upstream);
  upstream.respond(1, kOk, "all of it", {{"x-t", "1"}});
  client.appetite = 3;
  EXPECT_EQ("[1 response 200]all", converse(client, upstream));
  EXPECT_TRUE(client.codec.complete(*stream));
  EXPECT_TRUE(client.codec.receive_end(client)) << "the connection may end now";
  EXPECT_EQ(0U, client.codec.capacity());
  client.appetite = 6;
  EXPECT_TRUE(client.codec.resume(*stream, client));
  EXPECT_EQ(" of it[1 end x-t: 1\r\n]", client.take_text());
  EXPECT_FALSE(client.codec.finish(*stream)) << "the connection is of no more use";
}

TEST(H2ClientCodec, HoldsLittleForATakerThatNeverCatchesUp) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  const std::string content(3'000'000, 'c');
  Stream* const stream = client.get();
  converse(client, upstream);
  upstream.respond(1, kOk, content.c_str());
  client.appetite = 5'000;
  converse(client, upstream);
  size_t most = 0;
  for (int i = 0; i < 500; ++i) {
    EXPECT_TRUE(client.codec.resume(*stream, client));
    converse(client, upstream);
    most = std::max(most, static_cast<H2Stream*>(stream)->held.capacity());
  }
  EXPECT_GT(client.contents[1].size(), 2'000'000U);
  EXPECT_LE(most, 4U * 64 * 1024);
}

TEST(H2ClientCodec, LetsNoSlowTakerStopTheOthers) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  const std::string content(60'000, 'c');
  std::vector<Stream*> slow;
  for (int i = 0; i < 30; ++i) slow.push_back(client.get());
  converse(client, upstream);
  for (Stream* stream : slow) upstream.respond(stream->id, kOk, content.c_str());
  client.appetite = 0;
  converse(client, upstream);  // 30 * 60,000 octets are held: more than the connection's window
  client.appetite = SIZE_MAX;
  Stream* const quick = client.get();
  const StreamId id = quick->id;
  converse(client, upstream);
  upstream.respond(id, kOk, content.c_str());
  converse(client, upstream);
  EXPECT_EQ(content, client.contents[id]);
  EXPECT_TRUE(client.contents[1].empty());
}

TEST(H2ClientCodec, GivesTheWindowOfUnwantedContentBack) {
  Client client;
  Upstream upstream;
  meet(client, upstream);
  client.appetite = 0;
  const std::string content(60'000, 'c');
  for (int i = 0; i < 100; ++i) {
    Stream* const stream = client.get();
    ASSERT_NE(nullptr, stream) << i;
    const StreamId id = stream->id;
    converse(client, upstream);
    upstream.respond(id, kOk, content.c_str());
    converse(client, upstream);
    EXPECT_TRUE(client.codec.finish(*stream));
    converse(client, upstream);
    EXPECT_EQ("", client.contents[id]);
  }
  client.appetite = SIZE_MAX;
  const StreamId last = client.get()->id;
  converse(client, upstream);
  upstream.respond(last, kOk, content.c_str());
  converse(client, upstream);
  EXPECT_EQ(content, client.contents[last]);
}

}  // namespace
}  // namespace mango::http::test
