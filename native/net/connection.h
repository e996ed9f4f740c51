// SPDX-License-Identifier: Apache-2.0
// A stream with its turns on the loop: receives into a scratch shared by the whole worker, keeps only what
// could not be used yet, gathers small writes of one turn into one send, and passes big ones straight
// through.
//
// Backpressure is in the return values: on_input() says how much it consumed, write_through() how much was
// taken. What is left stays on the side it came from, in a bounded pooled buffer, and that side stops
// reading.
//
// Rejected: a read buffer per connection (a quarter of a megabyte for every idle session), and queues of
// output slices (they hide how much a slow peer makes us hold).
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "net/buffer_pool.h"
#include "net/loop.h"
#include "net/stream.h"

namespace mango::net {

class Connection;

// What the connections of one worker share.
class WorkerIo {
 public:
  // As much as one receive can bring and one buffer can keep. Four times this costs cache, a quarter costs
  // system calls: 10% of the CPU of a 1 MiB response.
  static constexpr size_t kScratchBytes = BufferPool::kLargest;

  WorkerIo(Loop& loop_in, BufferPool& pool_in)
      : loop(loop_in), pool(pool_in), in_(new char[kScratchBytes]), out_(new char[kScratchBytes]) {}

  // Sends what the last writer gathered. Called at the end of every turn, and when the writer changes.
  void flush_writer();
  // Sends what batching connections put by. Called once after each turn of the loop.
  void flush_batches();

  Loop& loop;
  BufferPool& pool;

 private:
  friend class Connection;
  std::unique_ptr<char[]> in_;
  std::unique_ptr<char[]> out_;
  size_t out_used_ = 0;
  Connection* writer_ = nullptr;
  std::vector<Connection*> batches_;
};

class Connection : public Handler {
 public:
  explicit Connection(WorkerIo& io) noexcept : io_(io) {}
  ~Connection() override { close_stream(); }

  // Queues bytes that must not be refused (heads, framing). False if even the bounded buffer is full: the
  // connection is then of no use and its owner should give it up.
  [[nodiscard]] bool write(std::string_view bytes);
  // Offers content; answers how much was taken. Less than all: on_writable() will follow.
  [[nodiscard]] size_t write_through(std::string_view bytes);
  // The peer has not taken all that was meant for it.
  [[nodiscard]] bool output_pending() const noexcept {
    return wants_writable_ || (!pending_.empty() && !in_batch_);
  }
  // Whether so much waits for the peer that content should wait, too; on_writable() will follow then. For
  // connections whose content goes through write().
  [[nodiscard]] bool congested();

  void pause_input() noexcept { paused_ = true; }
  void resume_input();
  [[nodiscard]] bool input_paused() const noexcept { return paused_; }

  [[nodiscard]] const Stream& stream() const noexcept { return stream_; }
  [[nodiscard]] uint64_t bytes_in() const noexcept { return bytes_in_; }
  [[nodiscard]] uint64_t bytes_out() const noexcept { return bytes_out_; }
  // When the peer last took something, on the loop's clock; 0 = never.
  [[nodiscard]] uint64_t sent_ms() const noexcept { return sent_ms_; }

  void on_turn(uint32_t events) final;

 protected:
  // Takes bytes received, in order, kept ones first; answers how many were used up. Not called while paused.
  virtual size_t on_input(std::span<char> bytes) = 0;
  // The receiving side ended: eof, truncated, reset, tls or failed. Kept input was offered before.
  virtual void on_input_end(Io io) = 0;
  // Output that was refused can be offered again.
  virtual void on_writable() = 0;
  // Sending failed; the stream is of no use.
  virtual void on_output_failed(Io io) = 0;
  virtual void on_connected(Io) {}
  virtual void on_handshake_done() {}
  // No memory left to keep received bytes.
  virtual void on_no_memory() = 0;

  // Takes over a stream; `connecting` if its connect is in progress. False if the loop cannot watch it.
  [[nodiscard]] bool attach(Stream stream, bool connecting);
  // Goes on under TLS; on_handshake_done() follows, or on_input_end().
  [[nodiscard]] bool start_tls(SslPointer ssl);
  // Receives at most so many bytes at a time: what is behind them stays in the stream.
  void limit_input(size_t bytes) noexcept { input_limit_ = bytes; }
  // From here on what is written waits for the end of the loop's turn, so that the messages of many streams
  // leave in one send.
  void batch_output() noexcept { batching_ = true; }
  // Sends everything gathered or kept; false while some is left.
  bool flush();
  // FIN once all is sent.
  void finish_output();
  // Drops the output and forgets kept bytes.
  void discard_output() noexcept;
  void close_stream() noexcept;
  void drop_kept_input() noexcept { kept_ = Buffer(); }
  [[nodiscard]] bool has_kept_input() const noexcept { return !kept_.empty(); }
  [[nodiscard]] Stream& mutable_stream() noexcept { return stream_; }
  [[nodiscard]] WorkerIo& io() noexcept { return io_; }
  // The connection gets no input events any more (its end was seen).
  [[nodiscard]] bool input_ended() const noexcept { return input_ended_; }

 private:
  friend class WorkerIo;
  static constexpr size_t kKeptBytes = 64 * 1024;   // input that waits for more; then reading pauses
  static constexpr size_t kGatherBytes = 8 * 1024;  // larger slices are not copied
  static constexpr size_t kGatherLimitBytes = WorkerIo::kScratchBytes / 2;
  static constexpr size_t kRecordBytes = 16 * 1024;  // what one TLS record holds
  static constexpr int kReceivesPerTurn = 4;         // then others get their turn
  static constexpr size_t kBatchBytes = 64 * 1024;   // a batch this large is sent at once

  void complete_connect();
  void turn_output(uint32_t events);
  void turn_input(uint32_t events);
  bool receive_once();
  bool complete_handshake();
  void offer(std::span<char> fresh);
  bool offer_kept();
  [[nodiscard]] bool room_in_kept();
  void end_input(Io io);
  void go_deaf() noexcept;
  bool send_all(std::string_view& bytes);
  [[nodiscard]] bool keep_output(std::string_view bytes);
  [[nodiscard]] bool gather(std::string_view bytes);
  [[nodiscard]] bool put_by(std::string_view bytes);
  void flush_batch();
  void update_interest();

  WorkerIo& io_;
  Stream stream_;
  Buffer kept_;     // received, not used yet
  Buffer pending_;  // accepted for output, not sent yet
  uint64_t bytes_in_ = 0;
  uint64_t bytes_out_ = 0;
  uint64_t sent_ms_ = 0;
  size_t input_limit_ = WorkerIo::kScratchBytes;
  uint32_t interest_ = 0;
  Io output_error_ = Io::ok;
  bool connecting_ = false;
  bool paused_ = false;
  bool deaf_ = false;  // not watched at all, see go_deaf()
  bool input_ended_ = false;
  bool wants_writable_ = false;  // a writer was refused
  bool finishing_ = false;       // FIN after pending_
  bool finished_ = false;
  bool was_handshaking_ = false;
  bool batching_ = false;
  bool in_batch_ = false;  // pending_ waits for the end of the turn, not for the peer
};

}  // namespace mango::net
