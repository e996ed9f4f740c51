// SPDX-License-Identifier: Apache-2.0
// Servers that lie. Whatever they say, a call ends with a status by its deadline, and with the right one when
// the next server tells the truth.
#include <gtest/gtest.h>
#include <poll.h>

#include "ipc_support.h"

namespace {

using namespace mango::ipc;
using namespace mango::ipc::test;
using namespace std::string_literals;

constexpr int kDeadlineMs = 2000;
constexpr size_t kFloodBytes = 16 * 1024 * 1024;

// ------------------------------------------------------------------------------------------ HTTP/2, by hand
// --

enum FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kRst = 3,
  kSettings = 4,
  kPing = 6,
  kGoaway = 7,
  kContinuation = 9
};
constexpr uint8_t kEndStream = 1;
constexpr uint8_t kEndHeaders = 4;

std::string frame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& body) {
  const auto size = static_cast<uint32_t>(body.size());
  std::string out;
  for (int shift = 16; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(stream >> shift);
  return out + body;
}

// HPACK, RFC 7541: a literal field that is not indexed.
std::string field(const std::string& name, const std::string& value) {
  return "\0"s + static_cast<char>(name.size()) + name + static_cast<char>(value.size()) + value;
}

const std::string kStatus200 = "\x88";
const std::string kHello = frame(kSettings, 0, 0, "");

std::string head(uint32_t stream = 1) {
  return frame(kHeaders, kEndHeaders, stream, kStatus200 + field("content-type", "application/grpc"));
}
std::string trailers(const std::string& status, uint32_t stream = 1) {
  return frame(kHeaders, kEndHeaders | kEndStream, stream, field("grpc-status", status));
}
std::string data(const std::string& body, uint32_t stream = 1) {
  return frame(kData, 0, stream, body);
}
std::string prefixed(const std::string& message) {
  return "\0\0\0\0"s + static_cast<char>(message.size()) + message;
}
std::string an_answer() {
  Response response;
  response.value = "yes";
  return encode(response);
}

// ------------------------------------------------------------------------------------------------- servers
// --

void read_some(int fd) {
  char octets[4096];
  (void)!::read(fd, octets, sizeof octets);
}

// Until the client goes away, or a bound that no honest peer reaches.
bool write_all(int fd, const std::string& octets) {
  for (size_t sent = 0; sent < octets.size();) {
    pollfd writable{fd, POLLOUT, 0};
    if (::poll(&writable, 1, kPatienceMs) <= 0) return false;
    const ssize_t n = ::send(fd, octets.data() + sent, octets.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n <= 0) return false;
    sent += static_cast<size_t>(n);
  }
  return true;
}

void wait_for_end(int fd) {
  char octets[4096];
  pollfd readable{fd, POLLIN, 0};
  while (::poll(&readable, 1, kPatienceMs) > 0 && ::read(fd, octets, sizeof octets) > 0) {
  }
}

// Says `octets` to whoever asks, and stays.
RawServer::ServeConnection saying(std::string octets) {
  return [octets = std::move(octets)](int fd) {
    read_some(fd);
    if (write_all(fd, octets)) wait_for_end(fd);
  };
}

// Says `once`, then `again` for as long as it is listened to.
RawServer::ServeConnection flooding(std::string once, std::string again) {
  return [once = std::move(once), again = std::move(again)](int fd) {
    read_some(fd);
    if (!write_all(fd, once)) return;
    for (size_t sent = 0; sent < kFloodBytes && write_all(fd, again);) sent += again.size();
  };
}

mango_status_e call(const std::string& path, Response& response) {
  Failure failure;
  const auto client = open_client(path, failure);
  return client->call(asking("x"), response, kDeadlineMs);
}

struct Lie {
  const char* name;
  std::string said;
  mango_status_e status = MANGO_STATUS_IPC_UNAVAILABLE;
};

class IpcLie : public testing::TestWithParam<Lie> {};

TEST_P(IpcLie, is_not_believed) {
  const RawServer server(saying(kHello + GetParam().said));
  Response response;
  EXPECT_EQ(call(server.path(), response), GetParam().status);
  EXPECT_EQ(response.value, "");
}

INSTANTIATE_TEST_SUITE_P(
    all, IpcLie,
    testing::Values(
        Lie{"no_http2", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"},
        Lie{"status_500", frame(kHeaders, kEndHeaders | kEndStream, 1, "\x8E"s + field("grpc-status", "0"))},
        Lie{"no_message", head() + trailers("0")},
        Lie{"half_a_prefix", head() + data("\0\0\0"s) + trailers("0")},
        Lie{"length_beyond", head() + data("\0\0\0\0\x20"s + an_answer()) + trailers("0")},
        Lie{"length_huge", head() + data("\0\xFF\xFF\xFF\xFF"s + an_answer()) + trailers("0")},
        Lie{"length_short", head() + data("\0\0\0\0\1"s + an_answer()) + trailers("0")},
        Lie{"compressed", head() + data("\1\0\0\0\5"s + an_answer()) + trailers("0")},
        Lie{"two_messages", head() + data(prefixed(an_answer()) + prefixed(an_answer())) + trailers("0")},
        Lie{"no_response_message", head() + data(prefixed("\xFF\xFF")) + trailers("0")},
        Lie{"too_long",
            head() + data(std::string(16000, 'x')) + data(std::string(16000, 'x')) + trailers("0")},
        Lie{"no_grpc_status", head() + data(prefixed(an_answer())) + frame(kData, kEndStream, 1, "")},
        Lie{"status_garbage", head() + data(prefixed(an_answer())) + trailers("0x")},
        Lie{"status_negative", head() + data(prefixed(an_answer())) + trailers("-1")},
        Lie{"status_unknown", head() + data(prefixed(an_answer())) + trailers("99999999999")},
        Lie{"reset_amid", head() + data(prefixed(an_answer())) + frame(kRst, 0, 1, "\0\0\0\2"s)},
        Lie{"data_without_head", data(prefixed(an_answer())) + trailers("0")},
        Lie{"another_stream", head(3) + data(prefixed(an_answer()), 3) + trailers("0", 3)},
        Lie{"bad_hpack", frame(kHeaders, kEndHeaders, 1, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF")},
        Lie{"frame_too_large", "\xFF\xFF\xFF\0\0\0\0\0\1"s},
        Lie{"said_unimplemented", head() + trailers("12"), MANGO_STATUS_NOT_SUPPORTED},
        Lie{"said_invalid", head() + trailers("3"), MANGO_STATUS_INVALID_ARGUMENT},
        Lie{"said_denied", head() + trailers("7"), MANGO_STATUS_ACCESS_DENIED},
        Lie{"said_exhausted", head() + trailers("8"), MANGO_STATUS_NO_BUFFERS},
        Lie{"said_unavailable", head() + trailers("14")}),
    [](const auto& tested) { return tested.param.name; });

TEST(IpcHonesty, is_believed_even_by_hand) {
  const RawServer server(saying(kHello + head() + data(prefixed(an_answer())) + trailers("0")));
  Response response;
  EXPECT_EQ(call(server.path(), response), MANGO_STATUS_OK);
  EXPECT_EQ(response.value, "yes");
}

TEST(IpcHonesty, in_pieces_is_believed) {
  const std::string whole =
      kHello + head() + data("\0"s) + data(prefixed(an_answer()).substr(1)) + trailers("0");
  const RawServer server([&](int fd) {
    read_some(fd);
    for (const char c : whole) write_all(fd, {c});
    wait_for_end(fd);
  });
  Response response;
  EXPECT_EQ(call(server.path(), response), MANGO_STATUS_OK);
  EXPECT_EQ(response.value, "yes");
}

// ------------------------------------------------------------------------------------------------- floods --

TEST(IpcFlood, of_every_kind_ends) {
  const std::string floods[][2] = {
      {kHello, frame(kPing, 0, 0, "12345678")},
      {kHello, frame(kSettings, 0, 0, "")},
      {kHello, frame(kData, 0, 1, std::string(100, 'x'))},
      {kHello + head(), frame(kData, 0, 1, "")},
      {kHello, frame(kRst, 0, 5, "\0\0\0\0"s)},
      {kHello + frame(kHeaders, 0, 1, kStatus200),
       frame(kContinuation, 0, 1, field("name", std::string(100, 'v')))},
      {kHello, frame(0x77, 0, 0, std::string(1000, '?'))},
      {"", std::string(4096, '\xFF')},
  };
  for (const auto& flood : floods) {
    const RawServer server(flooding(flood[0], flood[1]));
    Response response;
    EXPECT_EQ(call(server.path(), response), MANGO_STATUS_IPC_UNAVAILABLE)
        << testing::PrintToString(flood[1]);
  }
}

TEST(IpcFlood, of_refusals_ends) {
  const std::string refusals[] = {
      kHello + frame(kRst, 0, 1, "\0\0\0\7"s),             // REFUSED_STREAM
      kHello + frame(kGoaway, 0, 0, "\0\0\0\0\0\0\0\0"s),  // nothing was processed
      frame(kSettings, 0, 0, "\0\3\0\0\0\0"s),             // no streams at all
  };
  for (const std::string& refusal : refusals) {
    const RawServer server(saying(refusal));
    Response response;
    EXPECT_EQ(call(server.path(), response), MANGO_STATUS_IPC_UNAVAILABLE) << testing::PrintToString(refusal);
  }
}

TEST(IpcFlood, of_closed_connections_ends) {
  const RawServer closing([](int) {});
  const RawServer resetting([](int fd) {
    const linger now{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  });
  for (const std::string& path : {closing.path(), resetting.path()}) {
    Response response;
    EXPECT_EQ(call(path, response), MANGO_STATUS_IPC_UNAVAILABLE);
    Failure failure;
    const auto client = open_client(path, failure);
    for (int i = 0; i < 20; ++i) (void)client->post(asking("x"));
    EXPECT_EQ(client->call(asking("x"), response, kDeadlineMs), MANGO_STATUS_IPC_UNAVAILABLE);
  }
}

TEST(IpcFlood, of_posts_to_a_server_that_never_reads_ends) {
  const RawServer server([](int fd) {
    pollfd gone{fd, POLLRDHUP, 0};
    ::poll(&gone, 1, kPatienceMs);
  });
  Failure failure;
  const auto client = open_client(server.path(), failure);
  Request request = asking("x", std::string(16'000, 'v'));
  int failed = 0;
  for (int i = 0; i < 600 && failed == 0; ++i) failed += client->post(request) != MANGO_STATUS_OK;
  EXPECT_EQ(failed, 1) << "what is not answered is not held without bound";
}

TEST(IpcFlood, of_a_former_server_does_not_hurt_the_next) {
  int connections = 0;
  const RawServer server([&](int fd) {
    if (connections++ == 0) return flooding(kHello, frame(kPing, 0, 0, "12345678"))(fd);
    saying(kHello + head() + data(prefixed(an_answer())) + trailers("0"))(fd);
  });
  Failure failure;
  const auto client = open_client(server.path(), failure);
  Response response;
  EXPECT_EQ(client->call(asking("x"), response, kPatienceMs), MANGO_STATUS_OK)
      << "called again, over a new connection";
  EXPECT_EQ(response.value, "yes");
}

}  // namespace
