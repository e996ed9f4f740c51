// SPDX-License-Identifier: Apache-2.0
#include "mango/tls_bio.h"

namespace mango::kernel {

namespace {

TlsBio* bio_owner(BIO* bio) noexcept {
  return static_cast<TlsBio*>(BIO_get_data(bio));
}

int on_read(BIO* bio, char* to, int len) {
  TlsBio* owner = bio_owner(bio);
  BIO_clear_retry_flags(bio);
  return owner && len > 0 ? owner->read(bio, to, len) : -1;
}

int on_write(BIO* bio, const char* from, int len) {
  TlsBio* owner = bio_owner(bio);
  BIO_clear_retry_flags(bio);
  return owner && len > 0 ? owner->write(bio, from, len) : -1;
}

long on_ctrl(BIO* bio, int command, long, void*) {
  TlsBio* owner = bio_owner(bio);
  if (!owner) return 0;
  switch (command) {
    case BIO_CTRL_FLUSH:
      BIO_clear_retry_flags(bio);
      return owner->flush(bio);
    case BIO_CTRL_PENDING:
      return static_cast<long>(owner->wire().held_in());
    case BIO_CTRL_WPENDING:
      return static_cast<long>(owner->wire().held_out());
    case BIO_CTRL_EOF:
      return owner->wire().at_eof();
    default:
      return 0;
  }
}

int on_destroy(BIO* bio) {
  if (TlsBio* owner = bio_owner(bio)) owner->bio_freed();
  return 1;
}

// One method for the process, never freed: SSL objects may outlive static destructors.
BIO_METHOD* bio_method() noexcept {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mango socket");
    if (!made) return made;
    BIO_meth_set_read(made, on_read);
    BIO_meth_set_write(made, on_write);
    BIO_meth_set_ctrl(made, on_ctrl);
    BIO_meth_set_destroy(made, on_destroy);
    return made;
  }();
  return method;
}

}  // namespace

bool TlsBio::attach(SSL* ssl) noexcept {
  BIO_METHOD* method = bio_method();
  BIO* bio = method ? BIO_new(method) : nullptr;
  if (!bio) return false;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  bio_ = bio;
  ssl_ = ssl;
  return true;
}

void TlsBio::detach() noexcept {
  if (bio_) BIO_set_data(bio_, nullptr);
  bio_freed();
}

void TlsBio::bio_freed() noexcept {
  bio_ = nullptr;
  ssl_ = nullptr;
}

int TlsBio::read(BIO* bio, char* to, int len) noexcept {
  const ssize_t n = wire_.take(to, static_cast<size_t>(len));
  if (n < 0 && !wire_.error()) BIO_set_retry_read(bio);
  return static_cast<int>(n);
}

int TlsBio::write(BIO* bio, const char* from, int len) noexcept {
  const bool direct = !wire_.in_call();
  if (wire_.held_out() > kHeldOutLimit || (direct && wire_.flush_held() == MANGO_STATUS_AGAIN)) {
    BIO_set_retry_write(bio);
    return -1;
  }
  const auto count = static_cast<size_t>(len);
  if (!direct) return wire_.put(from, count) ? len : -1;
  const ssize_t sent = wire_.put_direct(from, count);
  if (sent == 0) BIO_set_retry_write(bio);
  return sent > 0 ? static_cast<int>(sent) : -1;
}

long TlsBio::flush(BIO* bio) noexcept {
  if (wire_.in_call() && !wire_.flush_call()) return -1;
  if (wire_.flush_held() == MANGO_STATUS_AGAIN) BIO_set_retry_write(bio);
  return wire_.held_out() == 0 ? 1 : -1;
}

}  // namespace mango::kernel
