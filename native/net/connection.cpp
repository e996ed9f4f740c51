// SPDX-License-Identifier: Apache-2.0
#include "net/connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace mango::net {

namespace {

constexpr size_t kFirstBatchBytes = 4096;

}  // namespace

void WorkerIo::flush_writer() {
  if (writer_ != nullptr) writer_->flush();
}

void WorkerIo::flush_batches() {
  for (size_t i = 0; i < batches_.size(); ++i) batches_[i]->flush_batch();
  batches_.clear();
}

bool Connection::attach(Stream stream, bool connecting) {
  stream_ = std::move(stream);
  connecting_ = connecting;
  was_handshaking_ = stream_.handshaking();
  interest_ = connecting ? EPOLLOUT : EPOLLIN;
  return io_.loop.watch(stream_.fd(), *this, interest_);
}

bool Connection::start_tls(SslPointer ssl) {
  if (!stream_.start_tls(std::move(ssl))) return false;
  was_handshaking_ = true;
  io_.loop.again(*this);  // a client speaks first, and a server's peer may have spoken already
  return true;
}

void Connection::close_stream() noexcept {
  discard_output();
  if (!stream_.is_open()) return;
  if (!deaf_) io_.loop.unwatch(stream_.fd());
  stream_.close();
  kept_ = Buffer();
}

void Connection::discard_output() noexcept {
  if (io_.writer_ == this) {
    io_.writer_ = nullptr;
    io_.out_used_ = 0;
  }
  pending_ = Buffer();
  wants_writable_ = in_batch_ = false;
}

// --- a turn
// -------------------------------------------------------------------------------------------------

void Connection::on_turn(uint32_t events) {
  if (!stream_.is_open()) return;
  if (connecting_) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) complete_connect();
  } else {
    turn_output(events);
    if (stream_.is_open()) turn_input(events);
  }
  io_.flush_writer();
  if (stream_.is_open()) update_interest();
}

void Connection::complete_connect() {
  connecting_ = false;
  on_connected(stream_.finish_connect());
}

void Connection::turn_output(uint32_t events) {
  if (output_error_ != Io::ok) {
    on_output_failed(std::exchange(output_error_, Io::ok));
    return;
  }
  // All may have gone with a batch since the writer was refused.
  const bool ready = (events & EPOLLOUT) != 0 || (wants_writable_ && pending_.empty());
  if (!ready || !flush() || !wants_writable_) return;
  wants_writable_ = false;
  on_writable();
}

void Connection::turn_input(uint32_t events) {
  if (!paused_ && !kept_.empty() && !offer_kept()) return;
  if (!stream_.is_open()) return;
  if (input_ended_) {
    // These events cannot be masked either, and say that nobody will take our output.
    if ((events & (EPOLLERR | EPOLLHUP)) != 0)
      on_output_failed(stream_.take_error() == Io::device ? Io::device : Io::reset);
    return;
  }
  if (paused_) {
    // Neither can be masked, and a paused connection would spin on them. A reset is the end; after an orderly
    // end of both directions there may be bytes left to read, so the connection only goes deaf until it is
    // resumed.
    if ((events & (EPOLLERR | EPOLLHUP)) == 0) return;
    const Io io = stream_.take_error();
    if (io != Io::ok || (events & EPOLLERR) != 0)
      end_input(io == Io::ok ? Io::reset : io);
    else
      go_deaf();
    return;
  }
  for (int round = 0; round < kReceivesPerTurn; ++round)
    if (!receive_once()) return;
  io_.loop.again(*this);  // there may be more inside the stream than epoll knows of
}

// Receives and offers once; true if there may be more.
bool Connection::receive_once() {
  const bool fresh = kept_.empty();
  if (!fresh && !room_in_kept()) return false;
  std::span<char> room = fresh ? std::span<char>(io_.in_.get(), WorkerIo::kScratchBytes) : kept_.room();
  room = room.first(std::min(room.size(), input_limit_));
  const Transfer got = stream_.recv(room);
  if (was_handshaking_ && !stream_.handshaking() && got.io == Io::again) return complete_handshake();
  if (got.io == Io::again) return false;
  if (got.io != Io::ok) {
    end_input(got.io);
    return false;
  }
  bytes_in_ += got.bytes;
  if (fresh) {
    offer(room.first(got.bytes));
  } else {
    kept_.produced(got.bytes);
    (void)offer_kept();
  }
  return stream_.is_open() && !paused_ && !input_ended_ && got.bytes == room.size();
}

// What the client sent behind its last message may be inside the stream already: receive again.
bool Connection::complete_handshake() {
  was_handshaking_ = false;
  on_handshake_done();
  return stream_.is_open() && !paused_ && !input_ended_;
}

void Connection::offer(std::span<char> fresh) {
  const size_t used = on_input(fresh);
  if (!stream_.is_open() || used == fresh.size()) return;
  kept_ = io_.pool.keep({fresh.data() + used, fresh.size() - used});
  if (!kept_) on_no_memory();
}

// False if the connection is closed or paused after it. The bytes are taken out meanwhile: on_input() may
// well decide that nothing kept is wanted any more, and must not free what it is reading.
bool Connection::offer_kept() {
  Buffer input = std::exchange(kept_, Buffer());
  const size_t used = on_input(input.bytes());
  if (!stream_.is_open()) return false;
  input.consumed(used);
  if (!input.empty()) kept_ = std::move(input);
  return !paused_;
}

bool Connection::room_in_kept() {
  kept_.compact();
  if (!kept_.room().empty()) return true;
  if (kept_.capacity() >= kKeptBytes) {
    paused_ = true;  // whoever reads us is waiting for something else; it resumes us
    return false;
  }
  if (io_.pool.grow(kept_, kept_.capacity() + 1)) return true;
  on_no_memory();
  return false;
}

void Connection::end_input(Io io) {
  input_ended_ = true;
  on_input_end(io);
}

void Connection::go_deaf() noexcept {
  if (deaf_) return;
  deaf_ = true;
  io_.loop.unwatch(stream_.fd());
}

void Connection::resume_input() {
  if (!paused_) return;
  paused_ = false;
  if (std::exchange(deaf_, false)) (void)io_.loop.watch(stream_.fd(), *this, interest_);
  io_.loop.again(*this);
}

// --- output
// -------------------------------------------------------------------------------------------------

bool Connection::write(std::string_view bytes) {
  if (!stream_.is_open() || output_error_ != Io::ok) return false;
  if (batching_ ? put_by(bytes) : pending_.empty() ? gather(bytes) : keep_output(bytes)) return true;
  output_error_ = Io::failed;  // there is a hole in the output now: nothing may follow it
  io_.loop.again(*this);
  return false;
}

bool Connection::put_by(std::string_view bytes) {
  const bool first = pending_.empty();
  if (first && !pending_) pending_ = io_.pool.take(std::max<size_t>(bytes.size(), kFirstBatchBytes));
  if (!keep_output(bytes)) return false;
  if (!first) return true;  // in the batch already, or waiting for the peer
  in_batch_ = true;
  io_.batches_.push_back(this);
  return true;
}

bool Connection::congested() {
  if (pending_.size() < kBatchBytes) return false;
  if (std::exchange(in_batch_, false) && flush()) return false;
  wants_writable_ = true;
  return true;
}

void Connection::flush_batch() {
  if (!stream_.is_open()) return;
  if (std::exchange(in_batch_, false) && flush() && wants_writable_) io_.loop.again(*this);
  update_interest();
}

bool Connection::gather(std::string_view bytes) {
  if (io_.writer_ != this) {
    io_.flush_writer();
    io_.writer_ = this;
  }
  if (bytes.size() > WorkerIo::kScratchBytes - io_.out_used_) {
    if (!flush()) return keep_output(bytes);
    io_.writer_ = this;
  }
  if (bytes.size() > WorkerIo::kScratchBytes) return keep_output(bytes);
  std::memcpy(io_.out_.get() + io_.out_used_, bytes.data(), bytes.size());
  io_.out_used_ += bytes.size();
  return true;
}

size_t Connection::write_through(std::string_view bytes) {
  if (!stream_.is_open() || output_error_ != Io::ok) return 0;
  if (!pending_.empty()) {
    wants_writable_ = true;
    return 0;
  }
  if (bytes.size() <= kGatherBytes) {
    // Content stops well before the buffer is full, so that the framing around it always fits.
    const bool full = io_.writer_ == this && io_.out_used_ + bytes.size() > kGatherLimitBytes;
    if ((!full || flush()) && gather(bytes)) return bytes.size();
    wants_writable_ = true;
    return 0;
  }
  std::string_view rest = bytes;
  if (io_.writer_ == this && io_.out_used_ > 0) {
    // Fill the record that the head began, so that the head does not travel in one of its own.
    const size_t fill =
        io_.out_used_ < kRecordBytes ? std::min(kRecordBytes - io_.out_used_, rest.size()) : 0;
    if (!gather(rest.substr(0, fill))) return 0;
    rest.remove_prefix(fill);
    if (!flush()) {
      wants_writable_ = true;
      return bytes.size() - rest.size();
    }
  }
  if (!send_all(rest)) {
    wants_writable_ = true;
    io_.loop.again(*this);
  }
  return bytes.size() - rest.size();
}

// Sends until all is gone or the stream takes no more; `bytes` becomes what is left.
bool Connection::send_all(std::string_view& bytes) {
  while (!bytes.empty()) {
    const Transfer sent = stream_.send(bytes);
    bytes_out_ += sent.bytes;
    if (sent.bytes > 0) sent_ms_ = io_.loop.now_ms();
    bytes.remove_prefix(sent.bytes);
    if (sent.io == Io::ok) continue;
    if (sent.io != Io::again) {
      output_error_ = sent.io;
      io_.loop.again(*this);
    }
    return false;
  }
  return true;
}

bool Connection::flush() {
  if (!stream_.is_open()) return false;
  if (io_.writer_ == this) {
    std::string_view gathered(io_.out_.get(), std::exchange(io_.out_used_, 0));
    io_.writer_ = nullptr;
    if (!send_all(gathered)) {
      if (output_error_ == Io::ok && !keep_output(gathered)) output_error_ = Io::failed;
      io_.loop.again(*this);
      return false;
    }
  } else if (!pending_.empty()) {
    std::string_view text = pending_.text();
    const size_t before = text.size();
    const bool all = send_all(text);
    pending_.consumed(before - text.size());
    if (!all) return false;
    pending_ = Buffer();
  }
  if (finishing_ && !finished_) {
    finished_ = true;
    stream_.shutdown_write();
  }
  return true;
}

bool Connection::keep_output(std::string_view bytes) {
  if (!pending_) {
    pending_ = io_.pool.keep(bytes);
    return static_cast<bool>(pending_);
  }
  pending_.compact();
  if (pending_.room().size() < bytes.size() && !io_.pool.grow(pending_, pending_.size() + bytes.size()))
    return false;
  return pending_.append(bytes) == bytes.size();
}

void Connection::finish_output() {
  if (finishing_) return;
  finishing_ = true;
  flush();
}

void Connection::update_interest() {
  uint32_t wanted = 0;
  if (connecting_ || output_pending()) wanted |= EPOLLOUT;
  if (!connecting_ && !paused_ && !input_ended_) wanted |= stream_.waits_for_write() ? EPOLLOUT : EPOLLIN;
  if (wanted == interest_ || deaf_) return;
  if (io_.loop.rewatch(stream_.fd(), *this, wanted)) interest_ = wanted;
}

}  // namespace mango::net
