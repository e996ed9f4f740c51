// SPDX-License-Identifier: Apache-2.0
// What is left of an iovec array of which the first octets are done, a few pieces at a time.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>

namespace mango::shim {

class Pieces {
 public:
  Pieces(const iovec* iov, int count) noexcept : iov_(iov), count_(count) {
    for (int i = 0; i < count; ++i) left_ += iov[i].iov_len;
  }

  [[nodiscard]] size_t left() const noexcept { return left_; }
  // The caller's own array as long as nothing of it is done, else a window of ours.
  [[nodiscard]] const iovec* data() noexcept { return offset_ == 0 ? iov_ : window(); }
  [[nodiscard]] int count() const noexcept { return offset_ == 0 ? count_ : std::min(count_, kWindow); }

  void advance(size_t done) noexcept {
    left_ -= done;
    for (offset_ += done; count_ > 0 && offset_ >= iov_->iov_len; --count_) offset_ -= iov_++->iov_len;
  }

 private:
  static constexpr int kWindow = 16;

  const iovec* window() noexcept {
    std::copy_n(iov_, count(), window_);
    window_[0].iov_base = static_cast<char*>(window_[0].iov_base) + offset_;
    window_[0].iov_len -= offset_;
    return window_;
  }

  const iovec* iov_;
  int count_;
  size_t offset_ = 0;  // of iov_[0], done
  size_t left_ = 0;
  iovec window_[kWindow];
};

}  // namespace mango::shim
