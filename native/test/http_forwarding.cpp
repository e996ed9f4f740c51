// SPDX-License-Identifier: Apache-2.0
#include "http/forwarding.h"

#include "http_support.h"

namespace mango::http::test {

namespace {

constexpr std::string_view kOurs =
    "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: example.org\r\n"
    "Forwarded: for=192.0.2.1;proto=https;host=example.org\r\nX-Request-Id: id1\r\nVia: 1.1 mango-edge\r\n";

RequestForwarding plain_forwarding() {
  return {.target = "/t",
          .host = "up.internal",
          .client_address = "192.0.2.1",
          .proto = "https",
          .original_host = "example.org",
          .request_id = "id1"};
}

// What goes upstream, without the request line and Host.
std::string forwarded(std::string_view field_lines, RequestForwarding how = plain_forwarding(),
                      std::string_view start = "GET / HTTP/1.1") {
  const auto result = parse_request(request_with(field_lines, start));
  EXPECT_EQ(result.parsed, Parsed::complete) << result.refusal.reason;
  std::array<char, 4096> memory;
  HeadWriter out(memory);
  write_request_head(out, *result.head, how);
  EXPECT_TRUE(out.ok());
  const std::string text(out.text());
  const std::string method(result.head->method_name);
  const std::string prefix = method + " /t HTTP/1.1\r\nHost: up.internal\r\n";
  EXPECT_TRUE(text.starts_with(prefix) && text.ends_with("\r\n\r\n")) << text;
  return text.substr(prefix.size(), text.size() - prefix.size() - 2);
}

std::string with_ours(std::string_view before, std::string_view after = "") {
  return std::string(before) + std::string(kOurs) + std::string(after);
}

std::string answered(std::string_view head_bytes, const ResponseForwarding& how,
                     Method method = Method::get) {
  const auto result = parse_response(head_bytes, method);
  EXPECT_EQ(result.parsed, Parsed::complete) << result.refusal.reason;
  std::array<char, 4096> memory;
  HeadWriter out(memory);
  write_response_head(out, *result.head, how);
  EXPECT_TRUE(out.ok());
  return std::string(out.text());
}

}  // namespace

TEST(RequestForwarding, AddsOurFieldsBehindTheClients) {
  EXPECT_EQ(forwarded("Accept: */*\r\nX-Empty:\r\n"), with_ours("Accept: */*\r\nX-Empty: \r\n"));
}

TEST(RequestForwarding, DropsWhatConcernsOneConnectionOnly) {
  EXPECT_EQ(
      forwarded("Connection: close, X-Hop\r\nX-Hop: 1\r\nx-hop: 2\r\nKeep-Alive: 5\r\nProxy-Connection: a\r\n"
                "Upgrade: websocket\r\nHTTP2-Settings: AA\r\nTrailer: X\r\nProxy: http://evil\r\nB: c\r\n"),
      with_ours("B: c\r\n"));
}

TEST(RequestForwarding, ConnectionCannotRemoveOurFields) {
  EXPECT_EQ(forwarded("Connection: X-Forwarded-For, X-Forwarded-Host, Forwarded, X-Request-Id, Host, Via\r\n"
                      "X-Forwarded-Host: evil\r\n"),
            with_ours(""));
  RequestForwarding how = plain_forwarding();
  how.framing = Framing::length;
  how.content_length = 3;
  EXPECT_EQ(forwarded("Connection: Content-Length\r\nContent-Length: 3\r\n", how),
            with_ours("", "Content-Length: 3\r\n"));
}

TEST(RequestForwarding, DropsAliasesOfOtherNames) {
  EXPECT_EQ(forwarded("X_Forwarded_Proto: http\r\nRemote.User: root\r\nContent_Length: 3\r\n"),
            with_ours(""));
  RequestForwarding how = plain_forwarding();
  how.trusted = true;
  EXPECT_EQ(forwarded("X-Forwarded_For: 10.0.0.1\r\nX-Forwarded-For.: 10.0.0.1\r\n", how), with_ours(""));
}

TEST(RequestForwarding, StrangersCannotPoseAsSomebodyElse) {
  EXPECT_EQ(forwarded("X-Forwarded-For: 127.0.0.1\r\nx-forwarded-proto: http\r\nX-FORWARDED-HOST: evil\r\n"
                      "X-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /x\r\nForwarded: for=127.0.0.1\r\n"
                      "X-Real-IP: 127.0.0.1\r\nX-Request-Id: forged\r\n"),
            with_ours(""));
}

TEST(RequestForwarding, TrustedPeersAreExtendedAndKept) {
  RequestForwarding how = plain_forwarding();
  how.trusted = true;
  EXPECT_EQ(
      forwarded("X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\nX-Forwarded-Proto: http\r\n"
                "X-Forwarded-Host: h\r\nForwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\n"
                "X-Request-Id: theirs\r\n",
                how),
      "X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\nX-Real-IP: 10.0.0.1\r\nX-Request-Id: theirs\r\n"
      "X-Forwarded-For: 10.0.0.1, 10.0.0.2, 192.0.2.1\r\n"
      "Forwarded: for=10.0.0.1, for=192.0.2.1;proto=https;host=example.org\r\nVia: 1.1 mango-edge\r\n");
  EXPECT_EQ(forwarded("", how), with_ours(""));
}

TEST(RequestForwarding, ForwardedQuotesWhatIsNoToken) {
  RequestForwarding how = plain_forwarding();
  how.client_address = "2001:db8::1";
  how.original_host = "example.org:8443";
  const std::string text = forwarded("", how);
  EXPECT_NE(text.find("X-Forwarded-For: 2001:db8::1\r\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Forwarded: for=\"[2001:db8::1]\";proto=https;host=\"example.org:8443\"\r\n"),
            std::string::npos)
      << text;
}

TEST(RequestForwarding, AClientWithoutAddressIsUnknown) {
  RequestForwarding how = plain_forwarding();
  how.client_address = how.original_host = "";
  EXPECT_EQ(forwarded("", how),
            "X-Forwarded-Proto: https\r\nForwarded: for=unknown;proto=https\r\nX-Request-Id: id1\r\n"
            "Via: 1.1 mango-edge\r\n");
}

TEST(RequestForwarding, TheVersionReceivedIsNamedInVia) {
  const std::string text = forwarded("Via: 1.1 other\r\n", plain_forwarding(), "GET / HTTP/1.0");
  EXPECT_TRUE(text.starts_with("Via: 1.1 other\r\n")) << text;
  EXPECT_TRUE(text.ends_with("Via: 1.0 mango-edge\r\n")) << text;
}

TEST(RequestForwarding, FramingIsWrittenAnew) {
  RequestForwarding how = plain_forwarding();
  how.framing = Framing::chunked;
  EXPECT_EQ(forwarded("Transfer-Encoding: CHUNKED\r\nTrailer: X-Sum\r\nExpect: 100-Continue\r\n", how),
            with_ours("", "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\nExpect: 100-continue\r\n"));
  how.framing = Framing::length;
  how.content_length = 7;
  EXPECT_EQ(forwarded("Content-Length: 007\r\n", how), with_ours("", "Content-Length: 7\r\n"));
}

TEST(RequestForwarding, TeIsReducedToTrailers) {
  EXPECT_EQ(forwarded("TE: gzip, Trailers\r\n"), with_ours("", "Connection: TE\r\nTE: trailers\r\n"));
  EXPECT_EQ(forwarded("TE: gzip\r\n"), with_ours(""));
}

TEST(RequestForwarding, UpgradesAreForwardedWhenAsked) {
  RequestForwarding how = plain_forwarding();
  const std::string lines =
      "Connection: Upgrade, X-Hop\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\nX-Hop: 1\r\n";
  EXPECT_EQ(forwarded(lines, how), with_ours("Sec-WebSocket-Key: k\r\n"));
  how.upgrade = true;
  EXPECT_EQ(forwarded(lines, how),
            with_ours("Sec-WebSocket-Key: k\r\n", "Connection: upgrade\r\nUpgrade: websocket\r\n"));
  EXPECT_EQ(forwarded("Connection: Upgrade\r\nUpgrade: h2c\r\n", how), with_ours(""));
}

TEST(RequestForwarding, ModifiersChangeTheClientsFieldsAndOurOwn) {
  const FieldModifier modifier{.set = {{"X-Set", "new"}, {"X-Forwarded-Proto", "wss"}, {"Host", "evil"}},
                               .add = {{"X-Add", "2"}, {"Content-Length", "9"}, {"Connection", "x"}},
                               .remove = {"x-remove", "Forwarded", "Via"}};
  RequestForwarding how = plain_forwarding();
  how.modifier = &modifier;
  EXPECT_EQ(forwarded("x-set: old\r\nX-SET: older\r\nX-Add: 1\r\nX-Remove: r\r\nVia: 1.1 a\r\n", how),
            "X-Add: 1\r\nX-Set: new\r\nX-Forwarded-Proto: wss\r\nX-Add: 2\r\nX-Forwarded-For: 192.0.2.1\r\n"
            "X-Forwarded-Host: example.org\r\nX-Request-Id: id1\r\n");
}

TEST(RequestForwarding, RemembersThatTheMemoryWasTooSmall) {
  const auto result = parse_request(request_with(""));
  std::array<char, 64> memory;
  HeadWriter out(memory);
  write_request_head(out, *result.head, plain_forwarding());
  EXPECT_FALSE(out.ok());
}

TEST(ResponseForwarding, StripsOneConnectionsFieldsAndFramesAnew) {
  const std::string head =
      "HTTP/1.0 200 Fine\r\nServer: s\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: "
      "5\r\nUpgrade: h2\r\n"
      "Content-Length: 3\r\nX_Kept.Name: 1\r\n\r\n";
  EXPECT_EQ(
      answered(head, {.framing = Framing::length, .content_length = 3, .request_id = "id1", .date = "now"}),
      "HTTP/1.1 200 Fine\r\nServer: s\r\nX_Kept.Name: 1\r\nDate: now\r\nX-Request-Id: id1\r\n"
      "Content-Length: 3\r\n\r\n");
}

TEST(ResponseForwarding, AnnouncesPersistence) {
  const std::string head = "HTTP/1.1 200\r\nDate: then\r\nContent-Length: 3\r\n\r\n";
  EXPECT_EQ(answered(head, {.keep_alive = false, .framing = Framing::until_close, .date = "now"}),
            "HTTP/1.1 200 OK\r\nDate: then\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answered(head, {.http10 = true, .framing = Framing::length, .content_length = 3}),
            "HTTP/1.1 200 OK\r\nDate: then\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\n");
}

TEST(ResponseForwarding, TheTrailerFieldGoesWithChunks) {
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n";
  EXPECT_EQ(answered(head, {.framing = Framing::chunked}),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n");
  EXPECT_EQ(answered(head, {.framing = Framing::until_close}), "HTTP/1.1 200 OK\r\n\r\n");
}

TEST(ResponseForwarding, InterimResponsesAreNotFramed) {
  EXPECT_EQ(answered("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 4\r\n\r\n",
                     {.keep_alive = false, .request_id = "id1", .date = "now"}),
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  const std::string switching = "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  EXPECT_EQ(answered(switching, {.upgrade = true}),
            "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_EQ(answered(switching, {}), "HTTP/1.1 101 X\r\n\r\n");
}

TEST(ResponseForwarding, TheLengthOfContentNotSentIsPassedOn) {
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", {}, Method::head),
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
  EXPECT_EQ(answered("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", {}),
            "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(ResponseForwarding, ModifiersApplyAndOurIdReplacesTheUpstreams) {
  const FieldModifier modifier{
      .set = {{"Server", "edge"}}, .add = {{"X-Add", "1"}}, .remove = {"X-Powered-By"}};
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nServer: s\r\nX-Powered-By: p\r\nX-Request-Id: up\r\n\r\n",
                     {.framing = Framing::until_close, .request_id = "id1", .modifier = &modifier}),
            "HTTP/1.1 200 OK\r\nServer: edge\r\nX-Add: 1\r\nX-Request-Id: id1\r\n\r\n");
}

TEST(FieldIds, AreFoundWithoutCase) {
  EXPECT_EQ(field_id("HOST"), FieldId::host);
  EXPECT_EQ(field_id("content-LENGTH"), FieldId::content_length);
  EXPECT_EQ(field_id("X-Forwarded-Client-Cert"), FieldId::x_forwarded_other);
  EXPECT_EQ(field_id("x-forwarded-port"), FieldId::x_forwarded_port);
  EXPECT_EQ(field_id("Hosts"), FieldId::other);
  EXPECT_EQ(field_id(""), FieldId::other);
}

}  // namespace mango::http::test
