// SPDX-License-Identifier: Apache-2.0
#include "http/local_response.h"

#include <gtest/gtest.h>

#include <string>

#include "http/chars.h"
#include "http/status.h"

namespace mango::http::test {

namespace {

std::string written(const LocalResponse& how) {
  std::array<char, 1024> memory;
  HeadWriter out(memory);
  write_local_response(out, how);
  EXPECT_TRUE(out.ok());
  return std::string(out.text());
}

}  // namespace

TEST(LocalResponse, SaysWhatWentWrongAndHowToAskAboutIt) {
  EXPECT_EQ(written({.status = 404, .keep_alive = true, .date = "now", .request_id = "id1"}),
            "HTTP/1.1 404 Not Found\r\nDate: now\r\nX-Request-Id: id1\r\nContent-Type: text/plain; "
            "charset=utf-8\r\n"
            "Content-Length: 26\r\n\r\n404 Not Found\nrequest id1\n");
}

TEST(LocalResponse, ClosesUnlessTold) {
  EXPECT_EQ(written({.status = 400}),
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 16\r\n\r\n400 Bad Request\n");
  EXPECT_NE(written({.status = 400, .keep_alive = true, .http10 = true}).find("Connection: keep-alive\r\n"),
            std::string::npos);
}

TEST(LocalResponse, HasNoContentForHead) {
  const std::string text = written({.status = 503, .head_request = true, .retry_after_s = 5});
  EXPECT_TRUE(text.ends_with("Content-Length: 24\r\n\r\n")) << text;
  EXPECT_NE(text.find("Retry-After: 5\r\n"), std::string::npos);
}

TEST(LocalResponse, RedirectsToCleanPlacesOnly) {
  EXPECT_NE(written({.status = 308, .location = "https://a.org/x?y"}).find("Location: https://a.org/x?y\r\n"),
            std::string::npos);
  EXPECT_EQ(written({.status = 308, .location = "https://a.org/\r\nX: y"}).find("Location"),
            std::string::npos);
}

TEST(LocalResponse, NamesTheMethodsBehindA405) {
  EXPECT_NE(written({.status = 405}).find("Allow: GET, "), std::string::npos);
}

TEST(ReasonPhrase, IsNeverEmpty) {
  for (uint16_t status = 100; status < 600; ++status) EXPECT_FALSE(reason_phrase(status).empty());
  EXPECT_EQ(reason_phrase(421), "Misdirected Request");
  EXPECT_EQ(reason_phrase(499), "Client Error");
}

TEST(HttpDate, IsImfFixdate) {
  std::array<char, kHttpDateBytes> memory;
  EXPECT_EQ(format_http_date(784111777, memory), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format_http_date(0, memory), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(format_http_date(951782400, memory), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(format_http_date(4107542399, memory), "Sun, 28 Feb 2100 23:59:59 GMT");
  EXPECT_EQ(format_http_date(-1, memory), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(format_http_date(INT64_MAX, memory), "Fri, 31 Dec 9999 23:59:59 GMT");
}

TEST(CommaList, YieldsItsElementsTrimmed) {
  std::string_view rest = " ,a , b,,\tc d\t,";
  std::string_view item;
  std::string seen;
  while (next_list_item(rest, item)) seen += "<" + std::string(item) + ">";
  EXPECT_EQ(seen, "<a><b><c d>");
  EXPECT_TRUE(list_contains("keep-alive, Upgrade", "upgrade"));
  EXPECT_FALSE(list_contains("upgraded", "upgrade"));
}

}  // namespace mango::http::test
