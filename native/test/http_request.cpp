// SPDX-License-Identifier: Apache-2.0
#include "http/h1_parser.h"
#include "http_support.h"

namespace mango::http::test {

namespace {

using namespace std::string_literals;

struct Refused {
  std::string bytes;
  uint16_t status;
  std::string_view reason;
};

void expect_refused(const std::vector<Refused>& table) {
  for (const Refused& row : table) {
    SCOPED_TRACE(row.bytes);
    const auto result = parse_request(row.bytes);
    EXPECT_EQ(result.parsed, Parsed::refused);
    EXPECT_EQ(result.refusal.status, row.status);
    EXPECT_EQ(result.refusal.reason, row.reason);
  }
}

RequestResult expect_accepted(std::string_view bytes) {
  SCOPED_TRACE(bytes);
  auto result = parse_request(bytes);
  EXPECT_EQ(result.parsed, Parsed::complete) << result.refusal.reason;
  return result;
}

}  // namespace

TEST(RequestHead, IsReadIntoViewsOfTheBytes) {
  const auto result = expect_accepted(
      "POST /a/b?x=1&y HTTP/1.1\r\nHost: Example.org:8080\r\nX-Empty:\r\nAccept:\t*/* \t\r\n"
      "Content-Length: 5\r\n\r\nhello");
  const RequestHead& head = *result.head;
  EXPECT_EQ(head.method, Method::post);
  EXPECT_EQ(head.method_name, "POST");
  EXPECT_EQ(head.version, Version::http11);
  EXPECT_EQ(head.target, "/a/b?x=1&y");
  EXPECT_EQ(head.path, "/a/b");
  EXPECT_TRUE(head.has_query);
  EXPECT_EQ(head.query, "x=1&y");
  EXPECT_EQ(head.authority, "Example.org:8080");
  EXPECT_EQ(head.host, "Example.org");
  EXPECT_EQ(head.framing, Framing::length);
  EXPECT_EQ(head.content_length, 5u);
  EXPECT_EQ(head.head_bytes, result.bytes->size() - 5);
  ASSERT_NE(head.fields.find("accept"), nullptr);
  EXPECT_EQ(head.fields.find("accept")->value, "*/*");
  EXPECT_EQ(head.fields.find("x-empty")->value, "");
  EXPECT_EQ(head.fields.find(FieldId::host)->value, "Example.org:8080");
  EXPECT_GE(head.path.data(), result.bytes->data());
}

TEST(RequestHead, OneEmptyLineBeforeItIsSkippedAndCounted) {
  const auto result = expect_accepted("\r\n" + request_with(""));
  EXPECT_EQ(result.head->head_bytes, result.bytes->size());
  expect_refused(
      {{"\r\n\r\n" + request_with(""), 400, "bad-method"}, {"\n" + request_with(""), 400, "bare-lf"}});
}

TEST(RequestHead, EveryKnownMethodIsRecognisedAndCaseMatters) {
  const std::pair<std::string, Method> methods[] = {
      {"GET", Method::get},     {"HEAD", Method::head},      {"POST", Method::post},
      {"PUT", Method::put},     {"DELETE", Method::delete_}, {"OPTIONS", Method::options},
      {"TRACE", Method::trace}, {"PATCH", Method::patch},    {"PROPFIND", Method::other},
      {"get", Method::other},   {"M-SEARCH", Method::other}};
  for (const auto& [name, method] : methods) {
    EXPECT_EQ(expect_accepted(request_with("", name + " / HTTP/1.1")).head->method, method) << name;
  }
}

TEST(RequestHead, MalformedRequestLinesAreRefused) {
  expect_refused({
      {request_with("", "GET  / HTTP/1.1"), 400, "bad-target"},
      {request_with("", "GET /  HTTP/1.1"), 400, "bad-version"},
      {request_with("", "GET / HTTP/1.1 "), 400, "bad-version"},
      {request_with("", " GET / HTTP/1.1"), 400, "bad-method"},
      {request_with("", "G(T / HTTP/1.1"), 400, "bad-method"},
      {request_with("", "GET\t/ HTTP/1.1"), 400, "bad-method"},
      {request_with("", "GET /\tHTTP/1.1"), 400, "bad-target"},
      {request_with("", "GET /\x01 HTTP/1.1"), 400, "bad-target"},
      {request_with("", "GET /\0 HTTP/1.1"s), 400, "bad-target"},
      {request_with("", "GET /\xc3\xa9 HTTP/1.1"), 400, "bad-target"},
      {request_with("", "GET /a#b HTTP/1.1"), 400, "fragment"},
      {request_with("", "GET example.org HTTP/1.1"), 400, "bad-target"},
      {request_with("", "GET /\\a HTTP/1.1"), 400, "bad-path"},
      {request_with("", "GET / http/1.1"), 400, "bad-version"},
      {request_with("", "GET / HTTP/11.1"), 400, "bad-version"},
      {request_with("", "GET / HTTP/1.10"), 400, "bad-version"},
      {request_with("", "GET / HTTP/1,1"), 400, "bad-version"},
      {request_with("", "GET / HTTP/2.0"), 505, "unsupported-version"},
      {request_with("", "GET / HTTP/0.9"), 505, "unsupported-version"},
      {"GET /\r\n\r\n", 400, "http-0.9"},
      {"GET\r\n\r\n", 400, "bad-method"},
      {"\x16\x03\x01\x02\x00\x01"s, 400, "bad-method"},  // a TLS ClientHello
      {"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n", 405, "connect"},
  });
}

TEST(RequestHead, LineEndsOtherThanCrlfAreRefused) {
  expect_refused({
      {"GET / HTTP/1.1\nHost: a\n\n", 400, "bare-lf"},
      {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400, "bare-lf"},
      {"GET / HTTP/1.1\r\nHost: a\r\n\n", 400, "bare-lf"},
      {"GET / HTTP/1.1\rHost: a\r\n\r\n", 400, "bare-cr"},
      {"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400, "bare-cr"},
      {"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400, "bare-cr"},
      {"GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n", 400, "bare-cr"},
      {request_with("X-A\n: b\r\n"), 400, "bare-lf"},
  });
}

TEST(RequestHead, MalformedFieldLinesAreRefused) {
  expect_refused({
      {request_with("X-A : b\r\n"), 400, "space-before-colon"},
      {request_with("X-A\t: b\r\n"), 400, "space-before-colon"},
      {request_with(": b\r\n"), 400, "empty-field-name"},
      {request_with("X-A\r\n"), 400, "bad-field-name"},
      {request_with("X(A: b\r\n"), 400, "bad-field-name"},
      {request_with("X-\xc3\xa9: b\r\n"), 400, "bad-field-name"},
      {request_with("X-A\0: b\r\n"s), 400, "bad-field-name"},
      {request_with("X-A: b\r\n folded\r\n"), 400, "obs-fold"},
      {request_with("X-A: b\r\n\tfolded\r\n"), 400, "obs-fold"},
      {"GET / HTTP/1.1\r\n Host: example.org\r\n\r\n", 400, "obs-fold"},
      {request_with("X-A: b\0c\r\n"s), 400, "control-character"},
      {request_with("X-A: b\x01"s + "c\r\n"), 400, "control-character"},
      {request_with("X-A: b\x7f\r\n"), 400, "control-character"},
      {request_with("X-A: 0123456789abcdef0123456789abcde\x1f\r\n"), 400, "control-character"},
  });
  EXPECT_EQ(expect_accepted(request_with("X-A: caf\xc3\xa9\r\n")).head->fields.find("x-a")->value,
            "caf\xc3\xa9");
}

TEST(RequestHead, TwoWaysToFrameOneRequestAreRefused) {
  expect_refused({
      {request_with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), 400,
       "length-and-transfer-encoding"},
      {request_with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), 400,
       "length-and-transfer-encoding"},
      {request_with("Content-Length: 3\r\nContent-Length: 4\r\n"), 400, "duplicate-content-length"},
      {request_with("Content-Length: 3\r\ncontent-length: 3\r\n"), 400, "duplicate-content-length"},
      {request_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400,
       "duplicate-transfer-encoding"},
      {request_with("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), 400,
       "duplicate-transfer-encoding"},
  });
}

TEST(RequestHead, ContentLengthsThatAreNotPlainNumbersAreRefused) {
  for (const std::string value :
       {"+3", "-3", "", " ", "3,3", "3, 4", "0x3", "3 3", "3;", "1e3", "3.0", "\"3\"", "9223372036854775808",
        "18446744073709551616", "99999999999999999999999", "00000000000000000003"}) {
    expect_refused({{request_with("Content-Length: " + value + "\r\n"), 400, "bad-content-length"}});
  }
  EXPECT_EQ(expect_accepted(request_with("Content-Length: 9223372036854775807\r\n")).head->content_length,
            kMaxContentLength);
  EXPECT_EQ(expect_accepted(request_with("Content-Length: 0\r\n")).head->framing, Framing::length);
}

TEST(RequestHead, TransferEncodingsOtherThanChunkedAreRefused) {
  for (const std::string value :
       {"xchunked", "chunkedx", "chunked, chunked", "gzip, chunked", "chunked, gzip", "gzip", "identity", "",
        ",chunked", "chunked,", "\"chunked\"", "chunked;q=1", "chun ked",
        "\x0b"
        "chunked"}) {
    const auto result = parse_request(request_with("Transfer-Encoding: " + value + "\r\n"));
    EXPECT_EQ(result.parsed, Parsed::refused) << value;
    EXPECT_EQ(result.refusal.status, 400) << value;
  }
  expect_refused({
      {request_with("Transfer-Encoding : chunked\r\n"), 400, "space-before-colon"},
      {request_with("Transfer-Encoding:\r\n chunked\r\n"), 400, "obs-fold"},
      {request_with("Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0"), 400, "transfer-encoding-in-http10"},
  });
  for (const std::string value : {"chunked", "Chunked", "CHUNKED", "\tchunked\t"}) {
    EXPECT_EQ(expect_accepted(request_with("Transfer-Encoding:" + value + "\r\n")).head->framing,
              Framing::chunked);
  }
}

TEST(RequestHead, HeadsBeyondTheLimitsAreRefusedEvenIfIncomplete) {
  const HeadLimits limits{.head_bytes = 64, .fields = 3};
  const auto refused = [&](const std::string& bytes) {
    const auto result = parse_request(bytes, limits);
    EXPECT_EQ(result.parsed, Parsed::refused) << bytes;
    return std::pair(result.refusal.status, std::string(result.refusal.reason));
  };
  EXPECT_EQ(refused("GET /" + std::string(80, 'a')), std::pair(uint16_t{414}, "target-too-long"s));
  EXPECT_EQ(refused(request_with("X-A: " + std::string(80, 'a'))),
            std::pair(uint16_t{431}, "head-too-large"s));
  EXPECT_EQ(refused(request_with(std::string(80, 'n'))), std::pair(uint16_t{431}, "head-too-large"s));
  EXPECT_EQ(refused(request_with("A:b\r\nA:b\r\nA:b\r\n")), std::pair(uint16_t{431}, "too-many-fields"s));
  EXPECT_EQ(parse_request(request_with("A:b\r\nA:b\r\n"), limits).parsed, Parsed::complete);
  const std::string exact = request_with("A:" + std::string(64 - 37 - 4, 'b') + "\r\n");
  ASSERT_EQ(exact.size(), limits.head_bytes);
  EXPECT_EQ(parse_request(exact, limits).parsed, Parsed::complete);
}

TEST(RequestHead, TheFieldTableNeverOverflows) {
  std::string many;
  for (size_t i = 0; i < kMaxFields; ++i) many += "a:b\r\n";
  const auto result = parse_request(request_with(many), {.head_bytes = 1 << 20, .fields = 65535});
  EXPECT_EQ(result.refusal.status, 431);
}

TEST(RequestHead, HostMustBeThereOnceAndValid) {
  expect_refused({{"GET / HTTP/1.1\r\n\r\n", 400, "missing-host"},
                  {request_with("Host: example.org\r\n"), 400, "duplicate-host"},
                  {request_with("host: other.org\r\n"), 400, "duplicate-host"}});
  for (const std::string host : {"",
                                 "a b",
                                 "a,b",
                                 "a/b",
                                 "user@a",
                                 "a:b",
                                 "a:",
                                 "a:0",
                                 "a:080",
                                 "a:65536",
                                 "a:99999999999",
                                 "a:-1",
                                 "a:80:80",
                                 ".a",
                                 "a..b",
                                 ".",
                                 "[::1",
                                 "::1",
                                 "[::1]x",
                                 "[]",
                                 "[::g]",
                                 "[fe80::1%25eth0]",
                                 "[v1.a]",
                                 "a%2eb",
                                 "a?b",
                                 "a#b",
                                 "a\\b",
                                 "[::1]:x"}) {
    expect_refused({{"GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n", 400, "bad-host"}});
  }
  const std::pair<std::string, std::string> hosts[] = {
      {"example.org", "example.org"},        {"EXAMPLE.org:443", "EXAMPLE.org"},
      {"127.0.0.1:8443", "127.0.0.1"},       {"[::1]", "[::1]"},
      {"[2001:DB8::1]:80", "[2001:DB8::1]"}, {"a_b.c-d", "a_b.c-d"},
      {"example.org.", "example.org"},       {"localhost", "localhost"}};
  for (const auto& [field, host] : hosts) {
    const auto result = expect_accepted("GET / HTTP/1.1\r\nHost: " + field + "\r\n\r\n");
    EXPECT_EQ(result.head->authority, field);
    EXPECT_EQ(result.head->host, host);
  }
}

TEST(RequestHead, Http10NeedsNoHost) {
  const auto result = expect_accepted("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(result.head->host, "");
  EXPECT_EQ(result.head->version, Version::http10);
  EXPECT_FALSE(result.head->keep_alive);
}

TEST(RequestHead, AbsoluteFormMustNameTheHost) {
  const auto with_host = [](std::string_view target, std::string_view host) {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n";
  };
  const std::string accepted[][4] = {
      {"http://example.org/a?b", "example.org", "/a", "/a?b"},
      {"HTTP://EXAMPLE.org/a", "example.ORG", "/a", "/a"},
      {"http://example.org:80/", "example.org", "/", "/"},
      {"https://example.org/", "example.org:443", "/", "/"},
      {"http://example.org", "example.org", "/", "/"},
      {"http://example.org?q=/x", "example.org", "/", "/?q=/x"},
      {"http://[::1]:8080/x/../y?q", "[::1]:8080", "/y", "/y?q"},
  };
  for (const auto& row : accepted) {
    const auto result = expect_accepted(with_host(row[0], row[1]));
    EXPECT_EQ(result.head->authority, row[1]);
    EXPECT_EQ(result.head->path, row[2]);
    EXPECT_EQ(result.head->target, row[3]);
  }
  expect_refused({
      {with_host("http://example.org/", "example.com"), 400, "host-mismatch"},
      {with_host("http://example.org:81/", "example.org"), 400, "host-mismatch"},
      {with_host("http://example.org:443/", "example.org"), 400, "host-mismatch"},
      {with_host("http://user@example.org/", "example.org"), 400, "bad-authority"},
      {with_host("http://example.org:80@evil.org/", "example.org"), 400, "bad-authority"},
      {with_host("http:///a", "example.org"), 400, "bad-authority"},
      {with_host("ftp://example.org/", "example.org"), 400, "bad-target"},
      {with_host("http:/example.org/", "example.org"), 400, "bad-target"},
      {with_host("http://example.org\\@evil.org/", "example.org"), 400, "bad-authority"},
  });
}

TEST(RequestHead, AbsoluteFormAloneNamesTheHostOfHttp10) {
  const auto result = expect_accepted("GET http://Example.org:8080?q HTTP/1.0\r\n\r\n");
  EXPECT_EQ(result.head->authority, "Example.org:8080");
  EXPECT_EQ(result.head->host, "Example.org");
  EXPECT_EQ(result.head->target, "/?q");
}

TEST(RequestHead, AsteriskFormIsForOptionsOnly) {
  const auto result = expect_accepted(request_with("", "OPTIONS * HTTP/1.1"));
  EXPECT_TRUE(result.head->asterisk);
  EXPECT_EQ(result.head->target, "*");
  EXPECT_TRUE(expect_accepted(request_with("", "OPTIONS http://example.org HTTP/1.1")).head->asterisk);
  EXPECT_FALSE(expect_accepted(request_with("", "OPTIONS / HTTP/1.1")).head->asterisk);
  expect_refused({{request_with("", "GET * HTTP/1.1"), 400, "bad-target"},
                  {request_with("", "OPTIONS ** HTTP/1.1"), 400, "bad-target"}});
}

TEST(RequestHead, TheTargetIsNormalisedAsOnePiece) {
  const auto result = expect_accepted(request_with("", "GET /a/./b//../%7Ec%2a?x=/../y HTTP/1.1"));
  EXPECT_EQ(result.head->path, "/a/~c%2A");
  EXPECT_EQ(result.head->query, "x=/../y");
  EXPECT_EQ(result.head->target, "/a/~c%2A?x=/../y");
}

TEST(RequestHead, PersistenceFollowsVersionAndConnection) {
  const auto keep_alive = [](std::string_view lines, std::string_view start) {
    return expect_accepted(request_with(lines, start)).head->keep_alive;
  };
  EXPECT_TRUE(keep_alive("", "GET / HTTP/1.1"));
  EXPECT_TRUE(keep_alive("", "GET / HTTP/1.7"));
  EXPECT_FALSE(keep_alive("Connection: close\r\n", "GET / HTTP/1.1"));
  EXPECT_FALSE(keep_alive("Connection: foo, CLOSE\r\n", "GET / HTTP/1.1"));
  EXPECT_FALSE(keep_alive("Connection: foo\r\nConnection: close\r\n", "GET / HTTP/1.1"));
  EXPECT_TRUE(keep_alive("Connection: closed\r\n", "GET / HTTP/1.1"));
  EXPECT_FALSE(keep_alive("", "GET / HTTP/1.0"));
  EXPECT_TRUE(keep_alive("Connection: Keep-Alive\r\n", "GET / HTTP/1.0"));
  EXPECT_FALSE(keep_alive("Connection: keep-alive, close\r\n", "GET / HTTP/1.0"));
}

TEST(RequestHead, ConnectionOptionsAreBounded) {
  std::string options = "a";
  for (size_t i = 1; i < kMaxConnectionOptions; ++i) options += ",a";
  expect_accepted(request_with("Connection: " + options + "\r\n"));
  expect_refused({{request_with("Connection: " + options + ",a\r\n"), 400, "too-many-connection-options"}});
}

TEST(RequestHead, UpgradeTakesTheOptionTheFieldAndNoContent) {
  const auto upgrade = [](std::string_view lines, std::string_view start = "GET / HTTP/1.1") {
    return std::string(expect_accepted(request_with(lines, start)).head->upgrade);
  };
  EXPECT_EQ(upgrade("Connection: Upgrade\r\nUpgrade: websocket\r\n"), "websocket");
  EXPECT_EQ(upgrade("Connection: keep-alive, upgrade\r\nUpgrade: websocket\r\n"), "websocket");
  EXPECT_EQ(upgrade("Upgrade: websocket\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: websocket\r\n", "GET / HTTP/1.0"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n"), "");
  EXPECT_EQ(upgrade("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: websocket, H2C\r\n"), "");
}

TEST(RequestHead, ExpectationsOtherThanContinueFail) {
  const auto expects = [](std::string_view lines, std::string_view start = "POST / HTTP/1.1") {
    return expect_accepted(request_with(lines, start)).head->expect_continue;
  };
  EXPECT_TRUE(expects("Expect: 100-Continue\r\nContent-Length: 3\r\n"));
  EXPECT_TRUE(expects("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_FALSE(expects("Expect: 100-continue\r\n"));
  EXPECT_FALSE(expects("Expect: 100-continue\r\nContent-Length: 0\r\n"));
  EXPECT_FALSE(expects("Expect: 100-continue\r\nContent-Length: 3\r\n", "POST / HTTP/1.0"));
  expect_refused({{request_with("Expect: tea\r\n"), 417, "unknown-expectation"},
                  {request_with("Expect: tea\r\nExpect: 100-continue\r\n"), 417, "unknown-expectation"}});
}

TEST(RequestHead, PipelinedBytesBehindItAreLeftAlone) {
  const std::string first = request_with("");
  const auto result = expect_accepted(first + "GET /second HTTP/1.1\r\n");
  EXPECT_EQ(result.head->head_bytes, first.size());
}

TEST(HeadEnd, IsFoundHoweverTheBytesArrive) {
  for (const std::string& head :
       {request_with("A: b\r\n"), "GET / HTTP/1.1\nHost: a\n\n"s, "a\r\n\n"s, "a\n\r\n"s}) {
    const std::string bytes = head + "GET / HT";
    size_t scanned = 0;
    for (size_t n = 0; n < head.size(); ++n) {
      EXPECT_EQ(find_head_end(std::string_view(bytes).substr(0, n), &scanned), 0u) << n;
      EXPECT_LE(scanned, n);
    }
    EXPECT_EQ(find_head_end(bytes, &scanned), head.size());
    scanned = 0;
    EXPECT_EQ(find_head_end(bytes, &scanned), head.size());
  }
}

}  // namespace mango::http::test
