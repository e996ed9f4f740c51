// SPDX-License-Identifier: Apache-2.0
#include "ipc/message.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "ipc_support.h"

namespace {

using namespace mango::ipc;
using namespace std::string_literals;

Address ipv4(uint32_t ip, uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr.s_addr = htonl(ip);
  return address_of(reinterpret_cast<const sockaddr*>(&in), sizeof in);
}

Address ipv6(uint16_t port, uint32_t scope) {
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  in.sin6_scope_id = scope;
  in.sin6_addr.s6_addr[0] = 0xFE;
  in.sin6_addr.s6_addr[15] = 9;
  return address_of(reinterpret_cast<const sockaddr*>(&in), sizeof in);
}

bool same(const Address& a, const Address& b) {
  return std::memcmp(&a.storage, &b.storage, sizeof a.storage) == 0;
}

Request full_request() {
  Request request;
  request.type = MANGO_IPC_MSG_TCP_ABORT;
  request.device = 3;
  request.client = "\x00\x01\xFF"s;
  request.session = 65535;
  request.address = ipv4(0x7F000001, 443);
  request.backlog = -1;
  request.field = "device.ip";
  request.value = "10.0.0.2/24 \xC3\xA9";
  return request;
}

TEST(IpcMessage, a_request_comes_back_as_it_was) {
  const Request sent = full_request();
  const auto got = decode_request(encode(sent));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->type, sent.type);
  EXPECT_EQ(got->device, sent.device);
  EXPECT_EQ(got->client, sent.client);
  EXPECT_EQ(got->session, sent.session);
  EXPECT_TRUE(same(got->address, sent.address));
  EXPECT_EQ(got->backlog, sent.backlog);
  EXPECT_EQ(got->field, sent.field);
  EXPECT_EQ(got->value, sent.value);
}

TEST(IpcMessage, a_response_comes_back_as_it_was) {
  Response sent;
  sent.status = MANGO_STATUS_DEVICE_RESET;
  sent.address = ipv6(8443, 2);
  sent.value = "ready";
  sent.link = "@mango\xFF";  // a path is octets, not text
  sent.version = "1.2.3";
  const auto got = decode_response(encode(sent));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, sent.status);
  EXPECT_TRUE(same(got->address, sent.address));
  EXPECT_EQ(got->value, sent.value);
  EXPECT_EQ(got->link, sent.link);
  EXPECT_EQ(got->version, sent.version);
}

TEST(IpcMessage, what_has_its_default_value_takes_no_room) {
  EXPECT_EQ(encode(Request{}), "");
  EXPECT_EQ(encode(Response{}), "");
  ASSERT_TRUE(decode_request(""));
  EXPECT_EQ(decode_request("")->type, MANGO_IPC_MSG_HEALTH_CHECK);
  EXPECT_EQ(decode_response("")->address.length(), 0u);
}

TEST(IpcMessage, every_prefix_is_an_older_message_or_none) {
  const std::string whole = encode(full_request());
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto got = decode_request(std::string_view(whole).substr(0, size));
    if (got) {
      EXPECT_EQ(whole.find(encode(*got)), 0u) << size;
    }
  }
}

TEST(IpcMessage, unknown_fields_are_skipped) {
  const std::string later =
      "\xF8\x01\x05"s  // 31: a varint
      "\xF9\x01"
      "12345678"s  // 31 again, of unknown meaning
      ;
  EXPECT_FALSE(decode_request(later)) << "a field of ours may not come twice, not even a later one";
  EXPECT_TRUE(decode_request("\xF8\x01\x05"s));
  EXPECT_TRUE(
      decode_request("\x82\x02\x03"
                     "abc"s))
      << "32: octets";
  EXPECT_TRUE(
      decode_request("\x81\x02"
                     "12345678"s))
      << "32: fixed64";
  EXPECT_TRUE(
      decode_request("\x85\x02"
                     "1234"s))
      << "32: fixed32";
  EXPECT_TRUE(decode_request("\x80\x02\x01\x80\x02\x02"s)) << "32, repeated";
}

TEST(IpcMessage, what_no_encoder_makes_is_refused) {
  const std::array refused{
      "\x00\x01"s,                                      // field 0
      "\x08"s,                                          // a key alone
      "\x08\x80"s,                                      // a varint that does not end
      "\x08\x09"s,                                      // a type that does not exist
      "\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"s,  // a varint of more than 64 bits
      "\x10\x80\x80\x80\x80\x10"s,                      // device: 2^32
      "\x08\x01\x08\x01"s,                              // type, twice
      "\x0A\x01\x01"s,                                  // type as octets
      "\x0B"s,                                          // a group
      "\x0E"s,                                          // a wire type that does not exist
      "\x1A\x05"
      "abc"s,                              // octets that are not there
      "\x1A\x41"s + std::string(65, 'c'),  // a token too long
      "\x3A\x01\xFF"s,                     // field: no UTF-8
      "\x3A\x02\xC0\x80"s,                 // field: NUL, overlong
      "\x3A\x03\xED\xA0\x80"s,             // field: a surrogate
      "\x3A\x04\xF4\x90\x80\x80"s,         // field: beyond Unicode
      "\x3A\x01\x00"s,                     // field: NUL
      "\x2A\x05\x0A\x03"
      "123"s,                       // address of three octets
      "\x2A\x04\x10\x80\x80\x04"s,  // address without octets, but with a port of 65536
      "\x2A\x02\x10\x50"s,          // a port without an address
      "\x2A\x08\x0A\x04"
      "1234\x18\x01"s,  // a scope for IPv4
  };
  for (const std::string& octets : refused)
    EXPECT_FALSE(decode_request(octets)) << testing::PrintToString(octets);
  EXPECT_FALSE(decode_response("\x08\x02"s)) << "a status above zero";
  EXPECT_FALSE(decode_response("\x08\xFF\x20"s)) << "a status below what there is";
}

TEST(IpcMessage, too_long_a_message_is_none) {
  Request request;
  request.value.assign(kMaxMessageBytes - 3, 'v');  // a key and two octets of length
  const std::string longest = encode(request);
  ASSERT_EQ(longest.size(), kMaxMessageBytes);
  EXPECT_TRUE(decode_request(longest));
  request.value += 'v';
  EXPECT_FALSE(decode_request(encode(request)));
}

TEST(IpcMessage, addresses_of_other_families_are_absent) {
  sockaddr_storage unix_address{};
  unix_address.ss_family = AF_UNIX;
  const auto* generic = reinterpret_cast<const sockaddr*>(&unix_address);
  EXPECT_EQ(address_of(generic, sizeof unix_address).length(), 0u);
  EXPECT_EQ(address_of(nullptr, 0).length(), 0u);
  const Address v4 = ipv4(1, 2);
  EXPECT_EQ(address_of(reinterpret_cast<const sockaddr*>(&v4.storage), sizeof(sockaddr_in) - 1).length(), 0u);
  EXPECT_EQ(v4.length(), sizeof(sockaddr_in));
  EXPECT_EQ(ipv6(1, 0).length(), sizeof(sockaddr_in6));
}

TEST(IpcMessage, text_is_utf8_without_nul) {
  EXPECT_TRUE(is_text(""));
  EXPECT_TRUE(is_text("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\xA5\xAD"));
  EXPECT_FALSE(is_text("\0"s));
  EXPECT_FALSE(is_text("\xE2\x82"));
  EXPECT_FALSE(is_text("\x80"));
}

// ------------------------------------------------------------------------------------- beside the .proto --

struct TempFile {
  TempFile(const char* mode, const std::string& octets) {
    const int fd = mkstemp(name);
    FILE* file = fdopen(fd, mode);
    fwrite(octets.data(), 1, octets.size(), file);
    fclose(file);
  }
  ~TempFile() { unlink(name); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  char name[32] = "/tmp/mango-message.XXXXXX";
};

std::string source_folder() {
  const std::string file = __FILE__;
  return file.substr(0, file.rfind("/test/"));
}

// protoc's text of the message; empty when it does not understand it.
std::string protoc_decode(const std::string& type, const std::string& octets) {
  const TempFile input("w", octets);
  const std::string command = "protoc --proto_path=" + source_folder() + "/ipc --decode=mango.ipc.v1." +
                              type + " mango_ipc.proto < " + input.name + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  std::string text;
  for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) text += static_cast<char>(c);
  return pclose(pipe) == 0 ? text : "";
}

TEST(IpcMessage, requests_are_what_the_proto_says) {
  if (system("protoc --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no protoc on this machine";
  EXPECT_EQ(protoc_decode("Request", encode(full_request())),
            "type: TCP_ABORT\n"
            "device: 3\n"
            "client: \"\\000\\001\\377\"\n"
            "session: 65535\n"
            "address {\n"
            "  ip: \"\\177\\000\\000\\001\"\n"
            "  port: 443\n"
            "}\n"
            "backlog: -1\n"
            "field: \"device.ip\"\n"
            "value: \"10.0.0.2/24 \\303\\251\"\n");
}

TEST(IpcMessage, responses_are_what_the_proto_says) {
  if (system("protoc --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no protoc on this machine";
  Response response;
  response.status = MANGO_STATUS_IPC_UNAVAILABLE;
  response.address = ipv6(80, 7);
  response.value = "v";
  response.link = "@l";
  response.version = "0.1.0";
  EXPECT_EQ(protoc_decode("Response", encode(response)),
            "status: -2002\n"
            "address {\n"
            "  ip: \"\\376\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\t\"\n"
            "  port: 80\n"
            "  scope: 7\n"
            "}\n"
            "value: \"v\"\n"
            "link: \"@l\"\n"
            "version: \"0.1.0\"\n");
}

// ------------------------------------------------------------------------------------------------- paths --

struct PathCase {
  const char* path;
  const char* canonical;  // null: refused
};

class IpcPath : public testing::TestWithParam<PathCase> {};

TEST_P(IpcPath, is_read_as_it_is_meant) {
  Endpoint endpoint;
  const bool parsed = parse_path(GetParam().path, endpoint);
  ASSERT_EQ(parsed, GetParam().canonical != nullptr);
  if (parsed) {
    EXPECT_EQ(path_of(endpoint), GetParam().canonical);
  }
}

INSTANTIATE_TEST_SUITE_P(
    all, IpcPath,
    testing::Values(PathCase{"localhost", "localhost:32847"}, PathCase{"localhost:1", "localhost:1"},
                    PathCase{"127.0.0.1:0", "127.0.0.1:0"}, PathCase{"[::1]:65535", "[::1]:65535"},
                    PathCase{"[::1]", "[::1]:32847"}, PathCase{"::1", "[::1]:32847"},
                    PathCase{"fe80::1%lo", "[fe80::1%lo]:32847"},
                    PathCase{"iceoryx:mango-0", "iceoryx:mango-0"}, PathCase{"", nullptr},
                    PathCase{":1", nullptr}, PathCase{"host:", nullptr}, PathCase{"host:65536", nullptr},
                    PathCase{"host:-1", nullptr}, PathCase{"host:1x", nullptr}, PathCase{"ho st:1", nullptr},
                    PathCase{"host/x:1", nullptr}, PathCase{"[::1", nullptr}, PathCase{"[::1]1", nullptr},
                    PathCase{"[host]:1", nullptr}, PathCase{"::1%a]b", nullptr}, PathCase{"::1%", nullptr},
                    PathCase{"1:2:3", nullptr}, PathCase{"iceoryx:", nullptr}, PathCase{"iceoryx", nullptr},
                    PathCase{"iceoryx:a/b", nullptr}, PathCase{"iceoryx:a b", nullptr}));

TEST(IpcPath, of_no_plug_in_is_told_in_a_sentence) {
  setenv("MANGO_IPC_PLUGIN_DIR", "/nonexistent", 1);
  Failure failure;
  EXPECT_FALSE(open_server("127.0.0.1:0", test::echo, failure));
  unsetenv("MANGO_IPC_PLUGIN_DIR");
  EXPECT_EQ(failure.status, MANGO_STATUS_NOT_SUPPORTED);
  EXPECT_NE(failure.message.find("/nonexistent/libmango-ipc-grpc.so"), std::string::npos) << failure.message;
  EXPECT_FALSE(open_client("nonsense:", failure));
  EXPECT_EQ(failure.status, MANGO_STATUS_INVALID_ARGUMENT);
}

}  // namespace
