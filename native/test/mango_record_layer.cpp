// SPDX-License-Identifier: Apache-2.0
// The record protocol without a network: what a client can do wrong once the handshake is over, and what
// OpenSSL as a client would never do.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <optional>
#include <string>
#include <vector>

#include "mango/record_layer.h"

using namespace mango::kernel;

namespace {

using Step = RecordLayer::Step;

mango_tls_keys_t keys_of(uint16_t version, uint16_t suite, bool server, uint64_t sequence = 0) {
  mango_tls_keys_t keys{};
  keys.version = version;
  keys.cipher_suite = suite;
  keys.is_client = server ? 0 : 1;
  mango_tls_direction_t& down = server ? keys.tx : keys.rx;
  mango_tls_direction_t& up = server ? keys.rx : keys.tx;
  for (size_t i = 0; i < sizeof down.secret; ++i) down.secret[i] = static_cast<uint8_t>(i);
  for (size_t i = 0; i < sizeof up.secret; ++i) up.secret[i] = static_cast<uint8_t>(0x80 + i);
  down.key[0] = 1;
  up.key[0] = 2;
  down.sequence = up.sequence = sequence;
  return keys;
}

class MangoRecordLayer : public testing::Test {
 protected:
  void start(uint16_t version = 0x0304, uint16_t suite = 0x1301, uint64_t sequence = 0) {
    ASSERT_EQ(MANGO_STATUS_OK, server.emplace().init(keys_of(version, suite, true, sequence)));
    ASSERT_EQ(MANGO_STATUS_OK, client.emplace().init(keys_of(version, suite, false, sequence)));
  }
  static std::vector<uint8_t> seal(RecordLayer& from, ContentType type, const std::string& content) {
    std::vector<uint8_t> record(content.size() + kRecordOverheadBytes);
    record.resize(
        from.seal(type, {reinterpret_cast<const uint8_t*>(content.data()), content.size()}, record.data()));
    EXPECT_FALSE(record.empty());
    return record;
  }
  // What `to` makes of the record; the content is in `text`.
  Step open(RecordLayer& to, std::vector<uint8_t> record, size_t room_bytes = 1 << 15) {
    std::vector<uint8_t> room(room_bytes);
    const RecordLayer::Opened opened = to.open(record, room);
    text.assign(opened.content.first.begin(), opened.content.first.end());
    text.append(opened.content.rest.begin(), opened.content.rest.end());
    return opened.step;
  }
  Step send(ContentType type, const std::string& content) {
    return open(*server, seal(*client, type, content));
  }
  void expect_failure(int alert, const std::string& what) {
    EXPECT_EQ(alert, server->failure().alert) << what;
    EXPECT_NE(0, server->failure().reason) << what;
  }

  std::optional<RecordLayer> server;
  std::optional<RecordLayer> client;
  std::string text;
};

const std::string kKeyUpdate("\x18\x00\x00\x01\x00", 5);

}  // namespace

TEST_F(MangoRecordLayer, content_goes_both_ways_in_all_sizes) {
  for (const auto& [version, suite] :
       {std::pair<uint16_t, uint16_t>{0x0304, 0x1303}, {0x0303, 0xC02F}, {0x0303, 0xCCA8}}) {
    start(version, suite);
    for (const size_t size : {size_t{1}, size_t{17}, RecordLayer::kMaxContentBytes}) {
      const std::string content(size, 'a');
      EXPECT_EQ(Step::content, open(*server, seal(*client, ContentType::application_data, content)));
      EXPECT_EQ(content, text);
      EXPECT_EQ(Step::content,
                open(*client, seal(*server, ContentType::application_data, content), size / 2));
      EXPECT_EQ(content, text);
    }
  }
}

TEST_F(MangoRecordLayer, empty_records_are_allowed_but_not_without_end) {
  start();
  for (uint32_t i = 0; i < RecordLayer::kMaxIdleRecords; ++i) {
    ASSERT_EQ(Step::content, send(ContentType::application_data, ""));
  }
  ASSERT_EQ(Step::content, send(ContentType::application_data, "x"));
  for (uint32_t i = 0; i < RecordLayer::kMaxIdleRecords; ++i) {
    ASSERT_EQ(Step::content, send(ContentType::application_data, ""));
  }
  EXPECT_EQ(Step::failed, send(ContentType::application_data, ""));
  expect_failure(SSL_AD_UNEXPECTED_MESSAGE, "empty records");
}

// The inner type is the last byte that is not zero: content that ends in a type and zeros says what padding
// says.
TEST_F(MangoRecordLayer, padding_is_stripped) {
  start();
  const std::string padded = std::string("text\x17", 5) + std::string(100, '\0');
  ASSERT_EQ(Step::content, send(static_cast<ContentType>(0), padded));
  EXPECT_EQ("text", text);
  ASSERT_EQ(Step::failed, send(static_cast<ContentType>(0), std::string(100, '\0')));
  expect_failure(SSL_AD_UNEXPECTED_MESSAGE, "nothing but padding");
}

TEST_F(MangoRecordLayer, a_record_with_more_than_16_kib_is_an_overflow) {
  start();
  ASSERT_EQ(Step::failed,
            send(ContentType::application_data, std::string(RecordLayer::kMaxContentBytes + 1, 'a')));
  expect_failure(SSL_AD_RECORD_OVERFLOW, "content");
}

TEST_F(MangoRecordLayer, a_header_is_judged_before_the_body_is_there) {
  start();
  EXPECT_EQ(Step::need_more, open(*server, {0x17, 3, 3, 0x41}));
  EXPECT_EQ(Step::need_more, open(*server, {0x17, 3, 3, 0x41, 0x00}));
  EXPECT_EQ(Step::failed, open(*server, {0x17, 3, 3, 0x41, 0x01}));
  expect_failure(SSL_AD_RECORD_OVERFLOW, "length");
  EXPECT_EQ(Step::failed, open(*server, {0x17, 3, 3, 0, 16}));
  expect_failure(SSL_AD_DECODE_ERROR, "too short for a tag");
  EXPECT_EQ(Step::failed, open(*server, {0x17, 3, 1, 0, 32}));
  expect_failure(SSL_AD_PROTOCOL_VERSION, "version");
  for (const uint8_t type : {20, 21, 22, 24, 0, 255}) {
    EXPECT_EQ(Step::failed, open(*server, {type, 3, 3, 0, 32}));
    expect_failure(SSL_AD_UNEXPECTED_MESSAGE, "type");
  }
}

TEST_F(MangoRecordLayer, a_key_update_may_come_in_pieces_and_nothing_between_them) {
  start();
  for (const char byte : kKeyUpdate)
    EXPECT_EQ(Step::content, send(ContentType::handshake, std::string(1, byte)));
  std::vector<uint8_t> discarded(100);
  ASSERT_NE(0U, client->seal_key_update(
                    discarded.data()));  // the client's own keys follow; the record is a repetition
  EXPECT_EQ(Step::content, send(ContentType::application_data, "x"));
  EXPECT_EQ("x", text);
  EXPECT_EQ(Step::content, send(ContentType::handshake, kKeyUpdate.substr(0, 2)));
  EXPECT_EQ(Step::failed, send(ContentType::application_data, "x"));
  expect_failure(SSL_AD_UNEXPECTED_MESSAGE, "interleaved");
}

TEST_F(MangoRecordLayer, every_other_handshake_message_is_unexpected) {
  const std::string wrong[] = {"",
                               kKeyUpdate + kKeyUpdate,
                               kKeyUpdate + "x",
                               std::string("\x18\x00\x00\x02\x00", 5),
                               std::string("\x04\x00\x00\x01\x00", 5),
                               std::string("\x0d\x00\x00\x01\x00", 5),
                               std::string("\x01\x00\x00\x01\x00", 5),
                               std::string(300, '\x0b')};
  for (const std::string& message : wrong) {
    start();
    EXPECT_EQ(Step::failed, send(ContentType::handshake, message));
    expect_failure(SSL_AD_UNEXPECTED_MESSAGE, message);
  }
}

TEST_F(MangoRecordLayer, a_client_drops_session_tickets_however_they_are_cut) {
  const std::string ticket = std::string("\x04\x00\x01\x00", 4) + std::string(256, '\x18');
  const std::string three = ticket + std::string("\x04\x00\x00\x00", 4) + ticket;
  start();
  const auto receive = [&](ContentType type, const std::string& content) {
    return open(*client, seal(*server, type, content));
  };
  EXPECT_EQ(Step::content, receive(ContentType::handshake, three));
  EXPECT_EQ("", text);
  for (const size_t piece : {100, 259, 261, 519}) {
    for (size_t at = 0; at < three.size(); at += piece)
      EXPECT_EQ(Step::content, receive(ContentType::handshake, three.substr(at, piece))) << piece;
    EXPECT_EQ(Step::content, receive(ContentType::application_data, "text")) << piece;
    EXPECT_EQ("text", text);
  }
  EXPECT_EQ(Step::content, receive(ContentType::handshake, ticket + kKeyUpdate)) << "a KeyUpdate at the end";
}

TEST_F(MangoRecordLayer, a_client_takes_nothing_inside_a_ticket_and_none_without_end) {
  const auto failure_of = [&](ContentType type, const std::string& content) {
    start();
    EXPECT_EQ(Step::content,
              open(*client, seal(*server, ContentType::handshake, std::string("\x04\x00\x00\x10half", 8))));
    EXPECT_EQ(Step::failed, open(*client, seal(*server, type, content)));
    return client->failure().alert;
  };
  EXPECT_EQ(SSL_AD_UNEXPECTED_MESSAGE, failure_of(ContentType::application_data, "x"));
  EXPECT_EQ(SSL_AD_UNEXPECTED_MESSAGE, failure_of(ContentType::alert, std::string("\x01\x00", 2)));
  start();
  EXPECT_EQ(Step::failed,
            open(*client, seal(*server, ContentType::handshake, std::string("\x04\x01\x00\x01", 4))))
      << "larger than any ticket";
  start();
  EXPECT_EQ(Step::failed,
            open(*client, seal(*server, ContentType::handshake, std::string("\x0d\x00\x00\x01\x00", 5))))
      << "no certificate was offered after the handshake";
}

TEST_F(MangoRecordLayer, a_key_update_with_an_unknown_request_is_illegal) {
  start();
  EXPECT_EQ(Step::failed, send(ContentType::handshake, std::string("\x18\x00\x00\x01\x02", 5)));
  expect_failure(SSL_AD_ILLEGAL_PARAMETER, "request 2");
}

TEST_F(MangoRecordLayer, alerts_are_two_bytes_and_most_of_them_the_end) {
  start();
  EXPECT_EQ(Step::content, send(ContentType::alert, std::string("\x01\x5a", 2)));  // user_canceled
  EXPECT_EQ(Step::end, send(ContentType::alert, std::string("\x01\x00", 2)));
  EXPECT_EQ(Step::failed, send(ContentType::alert, std::string("\x01\x28", 2)));
  expect_failure(-1, "a warning that is none of ours");
  EXPECT_EQ(Step::failed, send(ContentType::alert, "\x02"));
  expect_failure(SSL_AD_UNEXPECTED_MESSAGE, "half an alert");
  EXPECT_EQ(Step::failed, send(ContentType::alert, std::string("\x01\x00\x01\x00", 4)));
  expect_failure(SSL_AD_UNEXPECTED_MESSAGE, "two alerts");
}

TEST_F(MangoRecordLayer, worn_out_keys_are_replaced) {
  start(0x0304, 0x1302, RecordLayer::kMaxRecordsPerKey - 2);
  EXPECT_FALSE(server->key_update_due());
  EXPECT_EQ(Step::content, open(*client, seal(*server, ContentType::application_data, "last but one")));
  ASSERT_TRUE(server->key_update_due());
  std::vector<uint8_t> update(100);
  update.resize(server->seal_key_update(update.data()));
  EXPECT_FALSE(server->key_update_due());
  EXPECT_EQ(Step::content, open(*client, update));
  EXPECT_EQ(Step::content, open(*client, seal(*server, ContentType::application_data, "under new keys")));
  EXPECT_EQ("under new keys", text);
}

TEST_F(MangoRecordLayer, sessions_of_one_thread_take_turns) {
  RecordLayer other_server;
  RecordLayer other_client;
  start();
  mango_tls_keys_t keys = keys_of(0x0304, 0x1301, true);
  keys.tx.secret[0] = 0xFF;
  ASSERT_EQ(MANGO_STATUS_OK, other_server.init(keys));
  std::swap(keys.tx, keys.rx);
  ASSERT_EQ(MANGO_STATUS_OK, other_client.init(keys));
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(Step::content, open(*client, seal(*server, ContentType::application_data, "one")));
    EXPECT_EQ("one", text);
    EXPECT_EQ(Step::content, open(other_client, seal(other_server, ContentType::application_data, "other")));
    EXPECT_EQ("other", text);
  }
}

TEST_F(MangoRecordLayer, knows_what_it_does_not_know) {
  for (const uint16_t suite : {0x1304, 0xC02B, 0x0000}) {
    EXPECT_EQ(MANGO_STATUS_NOT_SUPPORTED,
              server.emplace().init(keys_of(0x0304, static_cast<uint16_t>(suite), true)));
  }
  EXPECT_EQ(MANGO_STATUS_NOT_SUPPORTED, server.emplace().init(keys_of(0x0303, 0x1301, true)));
  EXPECT_EQ(MANGO_STATUS_NOT_SUPPORTED, server.emplace().init(keys_of(0x0302, 0xC02F, true)));
}
