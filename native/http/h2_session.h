// SPDX-License-Identifier: Apache-2.0
// What both HTTP/2 codecs share: an nghttp2 session without I/O, and how content passes through it.
//
// Output is pushed. nghttp2 pulls content when it has room for a frame; a codec is handed content and answers
// how much it took. So send_content() offers a view for the length of the call, lets nghttp2 serialise what
// windows and priorities allow, straight into the sink, and withdraws the rest. A stream that could not send
// all is `blocked` until the codec wakes it. Nothing is serialised while the sink is congested: what nghttp2
// then queues (answers to PING and SETTINGS, resets) is bounded by queue_too_long().
//
// Input that its taker does not take is held in the stream: at most its window, because only what was taken
// is given back to the peer as window. nghttp2 must not be entered again from its own callbacks: `busy()`
// defers.
#pragma once

#include <nghttp2/nghttp2.h>

#include "http/codec.h"
#include "http/h2_codes.h"
#include "http/h2_memory.h"

namespace mango::http {

// A codec may derive its own. Made with new (std::nothrow), out of the thread's pool.
struct H2Stream : Stream {
  H2Stream() noexcept = default;
  H2Stream(const H2Stream&) = delete;
  H2Stream& operator=(const H2Stream&) = delete;
  virtual ~H2Stream() = default;
  static void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return h2_allocate(bytes); }
  static void operator delete(void* block) noexcept { h2_free(block); }
  static void operator delete(void* block, const std::nothrow_t&) noexcept { h2_free(block); }

  H2Stream* next = nullptr;  // of the codec's streams
  H2Stream* previous = nullptr;
  std::string_view offered;  // content to send, during send_content() only
  H2String tail;             // content of our own to send, the front of which is sent already
  size_t tail_sent = 0;
  H2String held;                  // received content that was not taken yet
  size_t held_taken = 0;          // the front of it that was taken since
  H2String trailers;              // received
  uint64_t to_send = UINT64_MAX;  // what is left of the declared length: END_STREAM goes with its last byte
  uint64_t woken = 0;             // when it was woken last, for the round robin
  uint8_t urgency = 3;            // RFC 9218 section 4.1
  bool incremental = false;       // RFC 9218 section 4.2
  bool head_submitted = false;    // the last head, with a data provider unless output_ended
  bool output_ended = false;      // no content follows
  bool end_sent = false;          // END_STREAM is serialised
  bool blocked = false;           // could not send all
  bool input_ended = false;       // END_STREAM was received
  bool end_told = false;          // ... and the events' taker knows
  bool offering = false;          // held content is being offered
  bool reset = false;             // RST_STREAM is on its way, by our own decision
  bool closed = false;            // nghttp2 has let it go
  bool finished = false;          // its exchange is over: no events
};

class H2Session {
 public:
  H2Session(const H2Session&) = delete;
  H2Session& operator=(const H2Session&) = delete;

 protected:
  // Held content keeps its stream's window shut, and the connection's, too, if `hold_connection`: less memory
  // for a peer to fill, but one stream can then stop all others.
  explicit H2Session(Sink& sink, bool hold_connection = true) noexcept
      : sink_(sink), hold_connection_(hold_connection) {}
  ~H2Session();

  // --- set-up: of the callbacks that are shared, then of the session ---
  // Sets the callbacks of content, both ways.
  static void set_content_callbacks(nghttp2_session_callbacks* callbacks) noexcept;
  // Takes ownership; nghttp2's user_data has to be this H2Session. Null: there is no memory, and the session
  // is dead.
  void adopt(nghttp2_session* session) noexcept;
  [[nodiscard]] nghttp2_session* session() noexcept { return session_; }
  [[nodiscard]] const nghttp2_session* session() const noexcept { return session_; }

  // --- streams ---
  // Takes ownership, and tells nghttp2, which must know the stream.
  void add_stream(H2Stream* stream, StreamId id) noexcept;
  // Deletes it, and lets nghttp2 forget about it.
  void remove_stream(H2Stream& stream) noexcept;
  // The stream nghttp2 knows by that id; null once it was closed.
  [[nodiscard]] H2Stream* find_stream(int32_t id) noexcept;
  [[nodiscard]] H2Stream* first_stream() noexcept { return first_; }
  [[nodiscard]] size_t streams() const noexcept { return count_; }

  // --- output ---
  // Serialises what nghttp2 has, as long as the sink is not congested. Nothing within callbacks.
  void pump() noexcept;
  // The same; true if nothing waits any more, and what is submitted now can be serialised by pump_frame()
  // before anything else happens: nghttp2 need not copy it.
  [[nodiscard]] bool drain() noexcept;
  void pump_frame() noexcept;
  [[nodiscard]] nghttp2_data_provider provider(H2Stream& stream) noexcept;
  [[nodiscard]] size_t send_content(H2Stream& stream, std::string_view content) noexcept;
  // Ends the stream's output, with trailers (lines of text) or without. False if that was not possible.
  [[nodiscard]] bool end_content(H2Stream& stream, std::string_view trailers) noexcept;
  [[nodiscard]] bool submit_reset(H2Stream& stream, StreamError error) noexcept;
  // Whether the stream could send at this moment.
  [[nodiscard]] bool can_send(const H2Stream& stream) noexcept;
  // Calls wake() for every blocked stream that can send, in the order of RFC 9218. Not within callbacks.
  void wake_blocked() noexcept;
  // Something changed that may let blocked streams send: wake_blocked() has work.
  void want_wake() noexcept { wake_wanted_ = true; }
  // The peer makes us say things and does not read them.
  [[nodiscard]] bool queue_too_long() const noexcept;

  // --- input ---
  // Gives nghttp2 what came in. False on a fatal error of nghttp2's, which `error` then is.
  [[nodiscard]] bool feed(std::span<const char> bytes, int& error) noexcept;
  // Offers held content again, and tells the end when all was taken.
  void offer_held(H2Stream& stream) noexcept;
  // END_STREAM came.
  void end_input(H2Stream& stream) noexcept;
  // Content nobody will take any more: its window goes back to the peer.
  void drop_held(H2Stream& stream) noexcept;

  [[nodiscard]] bool busy() const noexcept { return busy_; }
  [[nodiscard]] bool dead() const noexcept { return dead_; }
  // Nothing more is read or written.
  void die() noexcept { dead_ = true; }
  [[nodiscard]] Sink& sink() noexcept { return sink_; }

  // --- what a codec does with it; called within nghttp2's callbacks, too ---
  [[nodiscard]] virtual size_t deliver(H2Stream& stream, std::string_view content) = 0;
  virtual void deliver_end(H2Stream& stream) = 0;
  // Whether so much content may come; it is dropped if not.
  [[nodiscard]] virtual bool accept_content(H2Stream&, size_t /*bytes*/) noexcept { return true; }
  virtual void wake(H2Stream& stream) = 0;
  // So much content moved, either way: for the budgets.
  virtual void content_moved(size_t bytes) noexcept = 0;
  // All content that was offered went out: no window cut it short.
  virtual void content_ran_out() noexcept {}

 private:
  struct Callbacks;

  // Whether the stream is still among ours, after a call that may have removed it.
  [[nodiscard]] bool has_stream(const H2Stream* stream, StreamId id) const noexcept;
  [[nodiscard]] bool serialise() noexcept;
  void take_content(int32_t id, std::string_view content) noexcept;
  void hold(H2Stream& stream, std::string_view content);
  void consume(StreamId id, size_t bytes) noexcept;
  void consume_held(StreamId id, size_t bytes) noexcept;
  void block(H2Stream& stream) noexcept;
  void unblock(H2Stream& stream) noexcept;

  Sink& sink_;
  const bool hold_connection_;
  nghttp2_session* session_ = nullptr;
  H2Stream* first_ = nullptr;
  size_t count_ = 0;
  size_t blocked_ = 0;
  uint64_t wakes_ = 0;
  bool wake_wanted_ = false;
  bool busy_ = false;  // nghttp2 is on the stack
  bool dead_ = false;
};

// Reads a Priority field (RFC 9218 section 5); what is no such thing changes nothing.
void read_h2_priority(std::string_view value, H2Stream& stream) noexcept;

// Appends a received trailer field to the neutral form, unless it has no place there; false when over the
// limits.
[[nodiscard]] bool append_h2_trailer(H2String& trailers, std::string_view name,
                                     std::string_view value) noexcept;

}  // namespace mango::http
