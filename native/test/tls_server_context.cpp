// SPDX-License-Identifier: Apache-2.0
#include "tls_support.h"

namespace mango::tls::test {
namespace {

const config::Certificate& shop() {
  static const config::Certificate made = certificate("shop", {"shop.example.org", "example.org"});
  return made;
}
const config::Certificate& wild() {
  static const config::Certificate made = certificate("wild", {"*.example.org"});
  return made;
}
const config::Certificate& shop_rsa() {
  static const config::Certificate made =
      certificate("shop-rsa", {"shop.example.org", "example.org"}, KeyType::rsa);
  return made;
}

TEST(ServerContext, ServesTheCertificateOfTheName) {
  const Server server({shop(), wild()});
  ASSERT_NE(nullptr, server.context) << server.error;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    EXPECT_EQ("shop", shake(server, {.sni = "shop.example.org", .version = version}).subject);
    EXPECT_EQ("shop", shake(server, {.sni = "SHOP.Example.ORG", .version = version}).subject);
    EXPECT_EQ("wild", shake(server, {.sni = "www.example.org", .version = version}).subject);
    EXPECT_EQ("shop", shake(server, {.sni = "a.www.example.org", .version = version}).subject)
        << "one label only";
    EXPECT_EQ("shop", shake(server, {.sni = "elsewhere.test", .version = version}).subject) << "the default";
    EXPECT_EQ("shop", shake(server, {.version = version}).subject) << "no name";
  }
  EXPECT_EQ("www.example.org", shake(server, {.sni = "www.example.org"}).sni);
}

TEST(ServerContext, SurvivesNamesOfAnyKind) {
  const Server server({shop(), wild()});
  for (const std::string& name :
       {std::string("."), std::string("example.org."), std::string(254, 'a'), std::string(".example.org"),
        std::string("*.example.org"), std::string("a..b"), std::string("\xff\xfe")})
    (void)shake(server, {.sni = name});
  EXPECT_EQ("shop", shake(server, {.sni = "example.org."}).subject)
      << "the root's dot is no part of the name";
}

TEST(ServerContext, ChoosesTheKeyTheClientCanVerify) {
  const Server server({shop(), shop_rsa()});
  ASSERT_NE(nullptr, server.context) << server.error;
  EXPECT_EQ(EVP_PKEY_EC, shake(server, {.sni = "shop.example.org", .signatures = "ECDSA+SHA256"}).key_type);
  EXPECT_EQ(EVP_PKEY_RSA,
            shake(server, {.sni = "shop.example.org", .signatures = "RSA-PSS+SHA256"}).key_type);
}

TEST(ServerContext, HoldsToItsLowestVersion) {
  config::ListenerTls tls;
  tls.min_version = config::kTls13;
  const Server server({shop()}, tls);
  EXPECT_FALSE(shake(server, {.version = TLS1_2_VERSION}).done);
  EXPECT_EQ("TLSv1.3", shake(server, {}).version);
}

TEST(ServerContext, NegotiatesAProtocolOrRefuses) {
  config::ListenerTls tls;
  tls.alpn = {"http/1.1"};
  const Server server({shop()}, tls);
  EXPECT_EQ("http/1.1", shake(server, {.alpn = "\x02h2\x08http/1.1"}).alpn);
  EXPECT_EQ("", shake(server, {}).alpn);
  EXPECT_TRUE(shake(server, {}).done);
  EXPECT_FALSE(shake(server, {.alpn = "\x02h2"}).done);
}

TEST(ServerContext, AsksForClientCertificates) {
  const config::Certificate known = certificate("known", {});
  const config::Certificate stranger = certificate("stranger", {});
  config::ListenerTls tls;
  tls.client_ca_pem = known.cert_pem;
  tls.client_auth = config::ClientAuth::require;
  const Server required({shop()}, tls);
  ASSERT_NE(nullptr, required.context) << required.error;
  EXPECT_TRUE(shake(required, {.certificate = &known}).done);
  EXPECT_FALSE(shake(required, {.certificate = &stranger}).done);
  EXPECT_FALSE(shake(required, {}).done);
  tls.client_auth = config::ClientAuth::optional;
  const Server optional({shop()}, tls);
  EXPECT_TRUE(shake(optional, {}).done);
  EXPECT_FALSE(shake(optional, {.certificate = &stranger}).done);
}

TEST(ServerContext, SaysWhatItCannotUse) {
  config::ListenerTls tls;
  tls.groups = "no-such-group";
  EXPECT_NE(std::string::npos, Server({shop()}, tls).error.find("no-such-group"));
  tls.groups = "";
  tls.client_auth = config::ClientAuth::require;
  tls.client_ca_pem = "nothing";
  const Server server({shop()}, tls);
  EXPECT_EQ(nullptr, server.context);
  EXPECT_FALSE(server.error.empty());
}

// RFC 9110 section 7.4: a request for a name that another certificate serves is misdirected.
TEST(ServerContext, TellsWhichNamesASessionMayBeAskedFor) {
  const Server server({shop(), wild()});
  EXPECT_TRUE(server.context->covers("shop.example.org", "example.org"));
  EXPECT_TRUE(server.context->covers("a.example.org", "b.example.org"));
  EXPECT_FALSE(server.context->covers("a.example.org", "shop.example.org"));
  EXPECT_TRUE(server.context->covers("", "elsewhere.test"));
  EXPECT_FALSE(server.context->covers("", "a.example.org"));
}

// --- tickets
// ------------------------------------------------------------------------------------------------

TEST(TicketKeys, ResumeOnAnotherContextOfTheSameIdentity) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Server first({shop(), wild()});
    const Server second({shop(), wild()});
    const Handshake full = shake(first, {.sni = "shop.example.org", .version = version});
    ASSERT_NE(nullptr, full.session);
    EXPECT_FALSE(full.resumed);
    EXPECT_TRUE(shake(second, {.sni = "shop.example.org", .version = version, .session = full.session.get()})
                    .resumed);
  }
}

TEST(TicketKeys, OpenWhatAnOlderKeySealed) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Server before({shop()}, {}, {ticket_key(1)});
    const Server after({shop()}, {}, {ticket_key(2), ticket_key(1)});
    const Server later({shop()}, {}, {ticket_key(3), ticket_key(2)});
    const Handshake full = shake(before, {.version = version});
    const Handshake resumed = shake(after, {.version = version, .session = full.session.get()});
    EXPECT_TRUE(resumed.resumed);
    ASSERT_NE(nullptr, resumed.session) << "a new ticket, under the newest key";
    EXPECT_FALSE(shake(later, {.version = version, .session = full.session.get()}).resumed);
    EXPECT_TRUE(shake(later, {.version = version, .session = resumed.session.get()}).resumed);
  }
}

TEST(TicketKeys, DoNotCarryASessionToAnotherIdentity) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Server server({shop(), wild()});
    const Handshake full = shake(server, {.sni = "shop.example.org", .version = version});
    const Handshake other =
        shake(server, {.sni = "www.example.org", .version = version, .session = full.session.get()});
    EXPECT_FALSE(other.resumed) << version;
  }
}

// A session opened without a client certificate must not resume where one is required.
TEST(TicketKeys, DoNotCarryASessionPastClientAuthentication) {
  const config::Certificate known = certificate("known", {});
  config::ListenerTls tls;
  tls.client_ca_pem = known.cert_pem;
  tls.client_auth = config::ClientAuth::require;
  const Server open({shop()});
  const Server closed({shop()}, tls);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Handshake full = shake(open, {.version = version});
    EXPECT_FALSE(shake(closed, {.version = version, .session = full.session.get()}).done);
    EXPECT_TRUE(shake(closed, {.version = version, .certificate = &known}).done);
  }
}

TEST(TicketKeys, GiveNoTicketsWithoutKeys) {
  const Server server({shop()}, {}, {});
  const Handshake full = shake(server, {});
  EXPECT_TRUE(full.done);
  EXPECT_EQ(nullptr, full.session);
}

// --- key pairs
// ----------------------------------------------------------------------------------------------

TEST(KeyPair, SaysWhatIsWrongWithoutTellingTheSecret) {
  const auto problem_of = [](config::Certificate source) {
    KeyPair pair;
    std::string error;
    EXPECT_FALSE(KeyPair::parse(source, pair, error));
    EXPECT_EQ(std::string::npos, error.find("BEGIN"));
    return error;
  };
  config::Certificate bad = shop();
  bad.key_pem = wild().key_pem;
  EXPECT_NE(std::string::npos, problem_of(bad).find("does not belong"));
  bad.key_pem = "";
  EXPECT_NE(std::string::npos, problem_of(bad).find("private key"));
  bad = shop();
  bad.cert_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_NE(std::string::npos, problem_of(bad).find("\"shop\""));
  EXPECT_EQ(0U, ERR_peek_error());
}

TEST(KeyPair, TakesTheChainBehindTheLeaf) {
  config::Certificate source = shop();
  source.cert_pem += wild().cert_pem + shop_rsa().cert_pem;
  KeyPair pair;
  std::string error;
  ASSERT_TRUE(KeyPair::parse(source, pair, error)) << error;
  EXPECT_EQ(2, sk_X509_num(pair.chain.get()));
}

}  // namespace
}  // namespace mango::tls::test
