// SPDX-License-Identifier: Apache-2.0
#include "tls/identity.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <map>

namespace mango::tls {

namespace {

struct BioDeleter {
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
using BioPointer = std::unique_ptr<BIO, BioDeleter>;

BioPointer reader(const std::string& text) {
  return BioPointer(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Never asks a terminal for a pass phrase.
int no_pass_phrase(char*, int, int, void*) {
  return -1;
}

constexpr size_t kMaxNameBytes = 255;  // RFC 1035 section 2.3.4

std::string_view lower_case(std::string_view name, std::array<char, kMaxNameBytes>& memory) noexcept {
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  if (name.size() > memory.size()) return {};
  std::transform(name.begin(), name.end(), memory.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return {memory.data(), name.size()};
}

std::array<unsigned char, 32> digest_of(const std::string& text) {
  std::array<unsigned char, 32> digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

}  // namespace

bool KeyPair::parse(const config::Certificate& source, KeyPair& out, std::string& error) {
  const std::string who = "certificate \"" + source.name + "\": ";
  ERR_clear_error();
  const BioPointer certificates = reader(source.cert_pem);
  out.leaf.reset(PEM_read_bio_X509_AUX(certificates.get(), nullptr, no_pass_phrase, nullptr));
  out.chain.reset(sk_X509_new_null());
  while (X509* next = PEM_read_bio_X509(certificates.get(), nullptr, no_pass_phrase, nullptr))
    sk_X509_push(out.chain.get(), next);
  ERR_clear_error();  // the end of the file is an error to PEM_read_bio
  out.key.reset(PEM_read_bio_PrivateKey(reader(source.key_pem).get(), nullptr, no_pass_phrase, nullptr));
  const bool matches = out.leaf && out.key && X509_check_private_key(out.leaf.get(), out.key.get()) == 1;
  ERR_clear_error();
  if (!out.leaf)
    error = who + "no PEM certificate in it";
  else if (!out.key)
    error = who + "no usable PEM private key in it";
  else if (!matches)
    error = who + "the private key does not belong to the certificate";
  return matches;
}

bool KeyPair::use(SSL* ssl) const noexcept {
  return SSL_use_cert_and_key(ssl, leaf.get(), key.get(), chain.get(), 1) == 1;
}

IdentityMap IdentityMap::build(const config::Document& document, const config::ListenerTls& tls,
                               const std::vector<KeyPair>& pairs) {
  std::map<std::string, std::vector<uint32_t>> by_name;
  for (const uint32_t index : tls.certificates)
    for (const std::string& name : document.certificates[index].hostnames) by_name[name].push_back(index);

  IdentityMap map;
  std::map<std::vector<uint32_t>, const Identity*> by_set;
  const auto identity_of = [&](const std::vector<uint32_t>& set) {
    if (const auto found = by_set.find(set); found != by_set.end()) return found->second;
    auto identity = std::make_unique<Identity>();
    std::string context(to_string(tls.client_auth));
    context += '\n' + tls.client_ca_pem;
    std::vector<int> types;
    for (const uint32_t index : set) {
      const int type = EVP_PKEY_get_base_id(pairs[index].key.get());
      if (std::find(types.begin(), types.end(), type) != types.end()) continue;
      types.push_back(type);
      identity->pairs.push_back(&pairs[index]);
      for (const std::string& name : document.certificates[index].hostnames) context += '\n' + name;
    }
    identity->session_context = digest_of(context);
    by_set[set] = identity.get();
    map.identities_.push_back(std::move(identity));
    return by_set[set];
  };

  // The default identity: the first certificate, with those of the same first name.
  const uint32_t first = tls.certificates.front();
  const auto& names = document.certificates[first].hostnames;
  identity_of(names.empty() ? std::vector<uint32_t>{first} : by_name[names.front()]);
  map.identities_.front()->is_default = true;
  for (const auto& [name, set] : by_name) {
    if (name.starts_with("*."))
      map.wildcard_[name.substr(2)] = identity_of(set);
    else
      map.exact_[name] = identity_of(set);
  }
  return map;
}

const Identity& IdentityMap::find(std::string_view name) const noexcept {
  std::array<char, kMaxNameBytes> memory;
  const std::string_view host = lower_case(name, memory);
  if (const auto found = exact_.find(host); found != exact_.end()) return *found->second;
  const size_t dot = host.find('.');
  if (dot != std::string_view::npos)
    if (const auto found = wildcard_.find(host.substr(dot + 1)); found != wildcard_.end())
      return *found->second;
  return fallback();
}

}  // namespace mango::tls
