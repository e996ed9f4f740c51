// SPDX-License-Identifier: Apache-2.0
#include "tls/client_hello.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <memory>

#include "net/stream.h"

namespace mango::tls {
namespace {

using Step = ClientHelloReader::Step;

std::string number(size_t value, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xFF);
  return text;
}
std::string vector(const std::string& content, int length_bytes) {
  return number(content.size(), length_bytes) + content;
}
std::string extension(size_t type, const std::string& body) {
  return number(type, 2) + vector(body, 2);
}
std::string host_name(const std::string& name) {
  return std::string(1, '\0') + vector(name, 2);
}
std::string server_name(const std::string& name) {
  return extension(0, vector(host_name(name), 2));
}
std::string message(const std::string& body, char type = 1) {
  return type + vector(body, 3);
}
const std::string kBeforeExtensions =
    std::string("\x03\x03", 2) + std::string(32, 'r') + vector(std::string(32, 's'), 1) +
    vector(std::string("\x13\x01\x13\x02", 4), 2) + vector(std::string(1, '\0'), 1);
std::string hello(const std::string& extensions) {
  return message(kBeforeExtensions + vector(extensions, 2));
}
// The message in records of at most `piece` bytes.
std::string records(const std::string& text, size_t piece = 16384) {
  std::string wire;
  for (size_t at = 0; at < text.size(); at += piece)
    wire += std::string("\x16\x03\x01", 3) + vector(text.substr(at, piece), 2);
  return wire;
}

// What becomes of `wire` of which `piece` bytes come at once.
std::string read(const std::string& wire, size_t piece) {
  ClientHelloReader reader;
  Step step = Step::more;
  for (size_t size = std::min(piece, wire.size()); step == Step::more; size += piece) {
    step = reader.read(std::span(wire).first(std::min(size, wire.size())));
    if (size >= wire.size()) break;
  }
  if (step == Step::more) return "more";
  return step == Step::done ? "name " + reader.server_name() : reader.reason();
}
std::string read(const std::string& wire) {
  const std::string whole = read(wire, wire.size());
  for (const size_t piece : {1, 4, 5, 100}) EXPECT_EQ(whole, read(wire, piece));
  return whole;
}

// The ClientHello of OpenSSL itself.
std::string openssl_hello(const char* name, const std::string& alpn = {}) {
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  const net::SslPointer ssl(SSL_new(context.get()));
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
  SSL_set_connect_state(ssl.get());
  if (name != nullptr) SSL_set_tlsext_host_name(ssl.get(), name);
  SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(alpn.data()),
                      static_cast<unsigned>(alpn.size()));
  (void)SSL_do_handshake(ssl.get());
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out, &bytes);
  return {bytes, static_cast<size_t>(size)};
}

TEST(ClientHello, ReadsWhatOpensslSays) {
  EXPECT_EQ("name shop.example.org", read(openssl_hello("Shop.Example.ORG")));
  EXPECT_EQ("name ", read(openssl_hello(nullptr)));
  ClientHelloReader reader;
  EXPECT_EQ(Step::done, reader.read(openssl_hello("a.test", "\x02h2\x08http/1.1")));
  EXPECT_EQ((std::vector<std::string>{"h2", "http/1.1"}), reader.protocols());
}

TEST(ClientHello, DoesNotCareHowItIsCut) {
  const std::string whole = hello(server_name("shop.example.org"));
  for (const size_t piece : {1, 2, 3, 4, 5, 40, 1000}) {
    EXPECT_EQ("name shop.example.org", read(records(whole, piece))) << piece;
    EXPECT_EQ("name shop.example.org", read(records(whole, piece) + "and more behind it")) << piece;
  }
}

TEST(ClientHello, NeedsAllOfIt) {
  const std::string wire = records(hello(server_name("shop.example.org")), 7);
  for (size_t size = 0; size < wire.size(); ++size) {
    ClientHelloReader reader;
    EXPECT_EQ(Step::more, reader.read(std::span(wire).first(size)));
  }
}

TEST(ClientHello, ReadsNamesAsHostNames) {
  const auto name = [](const std::string& text) { return read(records(hello(server_name(text)))); };
  const std::string label(63, 'a');
  EXPECT_EQ("name localhost", name("localhost"));
  EXPECT_EQ("name xn--bcher-kva.example", name("xn--bcher-kva.Example."));
  EXPECT_EQ("name my_service.a-b.test", name("my_service.a-b.test"));
  EXPECT_EQ("name 1.2.3.4.test", name("1.2.3.4.test"));
  EXPECT_EQ("name " + label + "." + label + "." + label + "." + std::string(61, 'b'),
            name(label + "." + label + "." + label + "." + std::string(61, 'b')));
  for (const std::string& bad :
       {std::string(""), std::string("."), std::string("a..b"), std::string(".a"), std::string("-a.test"),
        std::string("a-.test"), std::string("a.-b"), std::string("*.test"), std::string("a b"),
        std::string("a\0b", 3), std::string("b\xc3\xbc"), std::string("a.test\r\n"), std::string("a/b"),
        std::string("192.0.2.1"), std::string("::1"), std::string("[::1]"), std::string("a:443"),
        label + "a.b", label + "." + label + "." + label + "." + std::string(62, 'b')})
    EXPECT_EQ("tls-server-name-invalid", name(bad)) << bad;
}

TEST(ClientHello, RefusesTwoNames) {
  EXPECT_EQ("tls-server-name-duplicate", read(records(hello(server_name("a.test") + server_name("b.test")))));
  EXPECT_EQ("tls-server-name-duplicate",
            read(records(hello(extension(0, vector(host_name("a.test") + host_name("a.test"), 2))))));
  EXPECT_EQ("tls-server-name-invalid",
            read(records(hello(extension(0, vector(std::string("\x01\x00\x01x", 4), 2))))));
}

TEST(ClientHello, TakesTheOuterNameWhereTheInnerIsEncrypted) {
  EXPECT_EQ("name public.test",
            read(records(hello(extension(0xFE0D, std::string(300, 'e')) + server_name("public.test")))));
}

TEST(ClientHello, HasNoNameWithoutExtensions) {
  EXPECT_EQ("name ", read(records(message(kBeforeExtensions))));
  EXPECT_EQ("name ", read(records(hello(""))));
}

TEST(ClientHello, RefusesWhatIsNoTls) {
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string("SSH-2.0-OpenSSH_9\r\n"), std::string(64, '\0'),
        std::string("\x16\x02\x01\x00\x05", 5), std::string("\x15\x03\x01\x00\x02\x02\x28", 7),
        std::string("\x17\x03\x03\x00\x20", 5), std::string("\x80\x2e\x04\x00", 4)})
    EXPECT_EQ("tls-not-tls", read(bytes)) << bytes;
  const std::string sslv2("\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x01\x00\x80", 14);
  EXPECT_EQ("tls-sslv2-hello", read(sslv2));
}

TEST(ClientHello, RefusesOtherMessages) {
  EXPECT_EQ("tls-not-a-client-hello", read(records(message("x", 2))));
  EXPECT_EQ("tls-not-a-client-hello", read(records(message("", 0))));
  const std::string whole = hello(server_name("a.test"));
  EXPECT_EQ("tls-not-a-client-hello",
            read(records(whole.substr(0, 20)) + std::string("\x14\x03\x03\x00\x01\x01", 6)))
      << "another record inside the message";
  EXPECT_EQ("tls-client-hello-malformed",
            read(records(whole.substr(0, 20)) + std::string("\x16\x03\x01\x00\x00", 5)))
      << "an empty record";
}

TEST(ClientHello, RefusesMalformedMessages) {
  const auto malformed = [](const std::string& text, const char* what) {
    EXPECT_EQ("tls-client-hello-malformed", read(records(text))) << what;
  };
  malformed(message(""), "nothing");
  malformed(message(kBeforeExtensions.substr(0, 60)), "cut short");
  malformed(message(kBeforeExtensions + "\x01"), "half a length");
  malformed(message(kBeforeExtensions + vector("", 2) + "x"), "bytes behind the extensions");
  malformed(hello(number(0, 2)), "half an extension");
  malformed(hello(number(0, 2) + number(5, 2) + "x"), "an extension that is cut short");
  malformed(hello(extension(0, "")), "no list of names");
  malformed(hello(extension(0, vector("", 2))), "an empty list of names");
  malformed(hello(extension(0, vector(host_name("a.test"), 2) + "x")), "bytes behind the names");
  malformed(hello(extension(0, number(40, 2) + host_name("a.test"))), "a list longer than its extension");
  malformed(hello(extension(16, "")), "no list of protocols");
  malformed(hello(extension(16, vector(vector("", 1), 2))), "an empty protocol");
  malformed(hello(extension(16, vector(vector("h2", 1), 2)) + extension(16, vector(vector("h2", 1), 2))),
            "two lists of protocols");
  std::string odd = kBeforeExtensions;
  odd[0] = 2;
  malformed(message(odd), "version");
  const std::string random = std::string("\x03\x03", 2) + std::string(32, 'r');
  const std::string no_compression = vector(std::string(1, '\0'), 1);
  malformed(message(random + vector(std::string(33, 's'), 1) + vector("\x13\x01", 2) + no_compression),
            "session id");
  malformed(message(random + vector("", 1) + vector("\x13\x01\x13", 2) + no_compression), "half a suite");
  malformed(message(random + vector("", 1) + vector("", 2) + no_compression), "no suites");
  malformed(message(random + vector("", 1) + vector("\x13\x01", 2) + vector("", 1)), "no compression");
}

TEST(ClientHello, BoundsItself) {
  const std::string name = server_name("a.test");
  const size_t most = ClientHelloLimits::kMessageBytes - hello(name + extension(21, "")).size();
  const std::string largest = hello(name + extension(21, std::string(most, '\0')));
  EXPECT_EQ("name a.test", read(records(largest)));
  EXPECT_EQ("name a.test", read(records(largest, 2)));
  EXPECT_EQ("tls-client-hello-too-large", read(records(largest, 1)));
  EXPECT_EQ("tls-client-hello-too-large", read(records(message(std::string(16385, 'x')).substr(0, 4))))
      << "said as soon as the length is there";
  EXPECT_EQ("tls-client-hello-malformed", read(std::string("\x16\x03\x01\x40\x01", 5)));
  std::string many;
  for (size_t i = 0; i < ClientHelloLimits::kExtensions; ++i) many += extension(1000 + i, "");
  EXPECT_EQ("name ", read(records(hello(many))));
  EXPECT_EQ("tls-client-hello-too-large", read(records(hello(many + name))));
}

TEST(ClientHello, TellsThePeerWhy) {
  const auto alert = [](const std::string& wire) {
    ClientHelloReader reader;
    EXPECT_EQ(Step::refused, reader.read(wire));
    return std::string(reader.alert());
  };
  EXPECT_EQ("", alert("GET / HTTP/1.1\r\n\r\n"));
  const std::string said = alert(records(hello(server_name("a b"))));
  ASSERT_EQ(7U, said.size());
  EXPECT_EQ(SSL_AD_ILLEGAL_PARAMETER, said[6]);
  EXPECT_EQ(SSL_AD_DECODE_ERROR, alert(records(message(""))).back());
  EXPECT_EQ(SSL_AD_UNEXPECTED_MESSAGE, alert(records(message("x", 2))).back());
}

TEST(ClientHello, StaysDecided) {
  ClientHelloReader reader;
  const std::string wire = records(hello(server_name("a.test")));
  EXPECT_EQ(Step::done, reader.read(wire));
  EXPECT_EQ(Step::done, reader.read(wire + records(hello(server_name("b.test")))));
  EXPECT_EQ("a.test", reader.server_name());
}

}  // namespace
}  // namespace mango::tls
