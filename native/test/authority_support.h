// SPDX-License-Identifier: Apache-2.0
// A certificate authority made on the spot, and what it issues.
#pragma once

#include "tls_support.h"

namespace mango::tls::test {

struct Issue {
  std::string alt_names;  // as in openssl.cnf: "DNS:a.test,IP:127.0.0.1"; "" = none
  std::string common_name = "leaf";
  long begins_s = -3600;
  long ends_s = 3600;
};

class Authority {
 public:
  Authority() : key_(EVP_EC_gen("P-256")), certificate_(blank("authority", key_.get(), {})) {
    X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
    extend(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(certificate_.get(), key_.get(), EVP_sha256());
  }

  [[nodiscard]] std::string pem() const { return pem_of(certificate_.get()); }
  [[nodiscard]] config::Certificate issue(const Issue& issue) const {
    const Openssl<EVP_PKEY> key(EVP_EC_gen("P-256"));
    const Openssl<X509> leaf = blank(issue.common_name, key.get(), issue);
    X509_set_issuer_name(leaf.get(), X509_get_subject_name(certificate_.get()));
    if (!issue.alt_names.empty()) extend(leaf.get(), NID_subject_alt_name, issue.alt_names.c_str());
    X509_sign(leaf.get(), key_.get(), EVP_sha256());
    BIO* key_pem = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(key_pem, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return {.name = issue.common_name,
            .hostnames = {},
            .cert_pem = pem_of(leaf.get()),
            .key_pem = text_of(key_pem)};
  }

 private:
  static Openssl<X509> blank(const std::string& name, EVP_PKEY* key, const Issue& issue) {
    static long serial = 0;
    Openssl<X509> made(X509_new());
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), issue.begins_s);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), issue.ends_s);
    X509_set_pubkey(made.get(), key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    return made;
  }
  static void extend(X509* certificate, int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    ASSERT_NE(nullptr, extension) << value;
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  static std::string pem_of(X509* certificate) {
    BIO* pem = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(pem, certificate);
    return text_of(pem);
  }

  Openssl<EVP_PKEY> key_;
  Openssl<X509> certificate_;
};

}  // namespace mango::tls::test
